//! The only place that prints: a reply as text for a terminal or a pipe, or as JSON.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use celeriac_process::in_words;
use comfy_table::{Attribute, Color, ContentArrangement, presets};

use crate::reply::{Block, Cell, Reply, Table, Tone};

/// How text is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub colour: bool,
    /// Columns of the terminal; `None`: lines as long as they are, for pipes.
    pub width: Option<u16>,
}

impl Look {
    /// What fits this process's standard output. `NO_COLOR` and `TERM=dumb` turn colour off.
    fn of_stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = terminal.then(|| comfy_table::Table::new().width()).flatten();
        Self { colour: terminal && !refused, width }
    }
}

/// Prints a command's answer (standard output), its notes or its error (standard error), and says the exit code.
#[expect(clippy::print_stderr, reason = "the one place where the command line speaks")]
pub(crate) fn print(answer: anyhow::Result<Reply>, json: bool) -> ExitCode {
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) => {
            eprintln!("celeriac: {}", in_words(&error));
            return ExitCode::FAILURE;
        }
    };
    if json {
        say(&format!("{:#}", reply.json));
    } else {
        let text = render(&reply, Look::of_stdout());
        if !text.is_empty() {
            say(&text);
        }
    }
    for note in &reply.notes {
        eprintln!("note: {note}");
    }
    ExitCode::from(reply.exit_code)
}

/// A line at once, for commands that go on running (`serve`, the stand-ins).
pub(crate) fn announce(line: &str) {
    say(line);
}

/// To standard output. A reader that has seen enough (`| head`) is no error; nobody is left to tell of any other.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The text of a reply, without a final line break.
pub fn render(reply: &Reply, look: Look) -> String {
    let blocks: Vec<String> = reply.blocks.iter().map(|block| render_block(block, look)).collect();
    let mut text = String::new();
    for (at, block) in blocks.iter().enumerate() {
        if at > 0 {
            let between_tables = !matches!((&reply.blocks[at - 1], &reply.blocks[at]), (Block::Line(_), Block::Line(_)));
            text.push_str(if between_tables { "\n\n" } else { "\n" });
        }
        text.push_str(block);
    }
    text
}

fn render_block(block: &Block, look: Look) -> String {
    match block {
        Block::Line(line) => harmless(line),
        Block::Table(table) if table.rows.is_empty() => table.empty.to_owned(),
        Block::Table(table) => render_table(table, look),
        Block::Pairs(pairs) => {
            let widest = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            let indent = format!("\n{}", " ".repeat(widest + 2));
            let lines: Vec<String> =
                pairs.iter().map(|(name, value)| format!("{name:widest$}  {}", harmless(value).replace('\n', &indent))).collect();
            lines.join("\n")
        }
    }
}

fn render_table(table: &Table, look: Look) -> String {
    let mut drawn = comfy_table::Table::new();
    drawn.load_style(presets::NOTHING);
    if look.colour {
        drawn.enforce_styling();
    } else {
        drawn.force_no_tty();
    }
    match look.width {
        Some(width) => drawn.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => drawn.set_content_arrangement(ContentArrangement::Disabled),
    };
    drawn.set_header(table.header.iter().map(|name| comfy_table::Cell::new(name).add_attribute(Attribute::Bold)));
    for row in &table.rows {
        drawn.add_row(row.iter().map(draw));
    }
    for column in drawn.column_iter_mut() {
        column.set_padding((0, 2));
    }
    drawn.trim_fmt()
}

fn draw(cell: &Cell) -> comfy_table::Cell {
    let drawn = comfy_table::Cell::new(harmless(&cell.text));
    match cell.tone {
        Tone::Plain => drawn,
        Tone::Good => drawn.fg(Color::Green),
        Tone::Warning => drawn.fg(Color::Yellow),
        Tone::Bad => drawn.fg(Color::Red),
        Tone::Faint => drawn.add_attribute(Attribute::Dim),
    }
}

/// Control characters in a job's error text or a pause's reason must not reach the terminal.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Reply {
        let mut table = Table::new(&["queue", "ready", "paused"], "There are no queues.");
        table.push(vec!["documents".into(), 12.into(), Cell::toned("refused\u{1b}[2J key", Tone::Bad)]);
        table.push(vec!["default".into(), 0.into(), Cell::maybe(None::<String>)]);
        Reply::of(&()).table(table).line("One queue\u{1b}is paused.").line("Resume it with celeriac queue resume.")
    }

    #[test]
    fn a_pipe_gets_plain_columns_and_no_control_characters() {
        let text = render(&reply(), Look { colour: false, width: None });
        insta::assert_snapshot!(text, @r"
        queue      ready  paused
        documents  12     refused [2J key
        default    0      –

        One queue is paused.
        Resume it with celeriac queue resume.
        ");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_terminal_gets_colour_only_from_us() {
        let text = render(&reply(), Look { colour: true, width: Some(80) });
        assert!(text.contains("\u{1b}[38;5;9mrefused"), "{text:?}");
        assert!(!text.contains("\u{1b}[2J"), "{text:?}");
    }
}

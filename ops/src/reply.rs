//! What a command answers: one value, shown as JSON or as text. Commands build it and print nothing themselves.

use serde::Serialize;

/// The answer of one command.
#[derive(Debug)]
pub struct Reply {
    /// What `--json` prints.
    pub json: serde_json::Value,
    /// What a person reads.
    pub blocks: Vec<Block>,
    /// Remarks beside the answer, for standard error in both modes.
    pub notes: Vec<String>,
    /// The exit code: 0, or 1 when the command did its work and what it found is bad.
    pub exit_code: u8,
}

#[derive(Debug)]
pub enum Block {
    Line(String),
    /// Names and values, one pair a line.
    Pairs(Vec<(&'static str, String)>),
    Table(Table),
}

/// Rows under a header. An empty one shows its `empty` sentence instead.
#[derive(Debug)]
pub struct Table {
    pub header: &'static [&'static str],
    pub rows: Vec<Vec<Cell>>,
    pub empty: &'static str,
}

#[derive(Debug)]
pub struct Cell {
    pub text: String,
    pub tone: Tone,
}

/// What a cell means, where colour may underline it. The words alone say it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
    Faint,
}

impl Reply {
    /// # Panics
    /// When the value has a map with keys other than text: a mistake in the program.
    pub(crate) fn of(value: &impl Serialize) -> Self {
        let json = serde_json::to_value(value).expect("answers have only text keys");
        Self { json, blocks: Vec::new(), notes: Vec::new(), exit_code: 0 }
    }

    pub(crate) fn line(mut self, text: impl Into<String>) -> Self {
        self.blocks.push(Block::Line(text.into()));
        self
    }

    pub(crate) fn pairs(mut self, pairs: Vec<(&'static str, String)>) -> Self {
        self.blocks.push(Block::Pairs(pairs));
        self
    }

    pub(crate) fn table(mut self, table: Table) -> Self {
        self.blocks.push(Block::Table(table));
        self
    }

    pub(crate) fn maybe_line(self, line: Option<String>) -> Self {
        match line {
            Some(line) => self.line(line),
            None => self,
        }
    }

    pub(crate) fn note(mut self, note: Option<String>) -> Self {
        self.notes.extend(note);
        self
    }

    pub(crate) fn failed_if(mut self, failed: bool) -> Self {
        self.exit_code = self.exit_code.max(u8::from(failed));
        self
    }

    /// For a command that passes on another program's exit code.
    pub(crate) fn exit_with(mut self, code: u8) -> Self {
        self.exit_code = code;
        self
    }
}

impl Table {
    pub(crate) fn new(header: &'static [&'static str], empty: &'static str) -> Self {
        Self { header, rows: Vec::new(), empty }
    }

    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.header.len(), "a row is as wide as its header");
        self.rows.push(row);
    }
}

impl Cell {
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// A number that is worth attention as soon as it is not zero.
    pub(crate) fn alarming(count: u64, tone: Tone) -> Self {
        Self::toned(count.to_string(), if count == 0 { Tone::Faint } else { tone })
    }

    pub(crate) fn maybe(text: Option<impl Into<String>>) -> Self {
        match text {
            Some(text) => Self::toned(text, Tone::Plain),
            None => Self::toned("–", Tone::Faint),
        }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Self {
        Self::toned(value.to_string(), Tone::Plain)
    }
}

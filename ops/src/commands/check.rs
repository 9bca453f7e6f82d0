//! `celeriac check`: the configuration and everything it points to, every problem at once.

use celeriac_process::{Process, Settings};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::checks::{self, Finding, Level};
use crate::human::plural;
use crate::reply::{Cell, Reply, Table, Tone};

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Print problems only.
    #[arg(long, short)]
    quiet: bool,
    /// Also ask the model's provider whether it takes the key. Costs nothing, but leaves this network.
    #[arg(long)]
    openai: bool,
    /// Which process's settings must be there; the worker needs the most.
    #[arg(long = "for", value_enum, default_value_t = For::Worker)]
    process: For,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum For {
    Worker,
    /// A worker with your own jobs only.
    OwnWorker,
    Scheduler,
    Ops,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    ok: bool,
    problems: u64,
    warnings: u64,
    findings: &'a [Finding],
}

impl Check {
    pub(crate) async fn run(self) -> anyhow::Result<Reply> {
        let read = Settings::load_usable(self.process.into());
        let mut findings: Vec<Finding> = read.sentences.into_iter().map(mistake).collect();
        if findings.is_empty() {
            findings.push(Finding::ok("configuration", "every setting that is needed is there and can be read"));
        }
        findings.extend(checks::all(&read.settings, self.openai).await);
        Ok(answer(&findings, self.quiet))
    }
}

/// The sentence says itself what to do.
fn mistake(sentence: String) -> Finding {
    Finding { about: "configuration", level: Level::Problem, message: sentence, hint: None }
}

fn answer(findings: &[Finding], quiet: bool) -> Reply {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count() as u64;
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    let mut table = Table::new(&["", "ABOUT", "FOUND, AND WHAT TO DO"], "");
    for finding in findings.iter().filter(|finding| !quiet || finding.level == Level::Problem) {
        let mark = match finding.level {
            Level::Ok => Cell::toned("ok", Tone::Good),
            Level::Warning => Cell::toned("warning", Tone::Warning),
            Level::Problem => Cell::toned("problem", Tone::Bad),
        };
        let hint = finding.hint.as_ref().map_or_else(String::new, |hint| format!("\n→ {hint}"));
        table.push(vec![mark, finding.about.into(), format!("{}{hint}", finding.message).into()]);
    }
    let reply = Reply::of(&Answer { ok: problems == 0, problems, warnings, findings }).failed_if(problems > 0);
    let reply = if table.rows.is_empty() { reply } else { reply.table(table) };
    match (quiet, problems) {
        (true, _) => reply,
        (false, 0) => reply.line("Everything that was tried works."),
        (false, _) => reply.line(format!("{} to mend.", plural(problems, "problem", "problems"))),
    }
}

impl From<For> for Process {
    fn from(process: For) -> Self {
        match process {
            For::Worker => Self::Worker,
            For::OwnWorker => Self::OwnWorker,
            For::Scheduler => Self::Scheduler,
            For::Ops => Self::Ops,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::out::{Look, render};

    #[test]
    fn every_problem_is_shown_with_what_to_do_and_makes_the_exit_code_1() {
        let findings = [
            Finding::ok("redis", "Redis 7.4.1 answers"),
            Finding::problem("redis", "maxmemory-policy is allkeys-lru", "set it to noeviction"),
            Finding::warning("backup", "BACKUP_IDENTITY is not set", "set it where verify_backup runs"),
        ];
        let loud = answer(&findings, false);
        assert_eq!(loud.exit_code, 1);
        insta::assert_snapshot!(render(&loud, Look { colour: false, width: None }), @r"
                 ABOUT   FOUND, AND WHAT TO DO
        ok       redis   Redis 7.4.1 answers
        problem  redis   maxmemory-policy is allkeys-lru
                         → set it to noeviction
        warning  backup  BACKUP_IDENTITY is not set
                         → set it where verify_backup runs

        1 problem to mend.
        ");
        insta::assert_snapshot!(render(&answer(&findings, true), Look { colour: false, width: None }), @r"
                 ABOUT  FOUND, AND WHAT TO DO
        problem  redis  maxmemory-policy is allkeys-lru
                        → set it to noeviction
        ");
        assert_eq!(render(&answer(&findings[..1], true), Look { colour: false, width: None }), "");
        assert_eq!(answer(&findings[2..], false).exit_code, 0, "a warning is no failure");
    }
}

//! What a worker process did, on record outside the Redis under test.
//!
//! One file a process, one line a fact, each written by a single call: what a killed process had written is there. A line reads
//! `<ms since the epoch> <fact> <job id> <losses before>`.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use celeriac_queue::JobContext;

/// A fact about one job in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// Its body began.
    Began,
    /// Its body was dropped at an await: told to end.
    Dropped,
    /// Redis answered the move with "done".
    Completed,
    Retried,
    Snoozed,
    Released,
    /// Redis refused the settling move: the lease was lost.
    Refused,
    /// Refused when it was repeated after a broken line: the first call may have been made.
    Unsure,
    /// A move that no job of the chaos run should come to (buried, cancelled, expired).
    Otherwise,
}

const WORDS: [(Fact, &str); 9] = [
    (Fact::Began, "began"),
    (Fact::Dropped, "dropped"),
    (Fact::Completed, "completed"),
    (Fact::Retried, "retried"),
    (Fact::Snoozed, "snoozed"),
    (Fact::Released, "released"),
    (Fact::Refused, "refused"),
    (Fact::Unsure, "unsure"),
    (Fact::Otherwise, "otherwise"),
];

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// Ms since the epoch; the harness and its workers share a machine, and so a clock.
    pub(crate) at: u64,
    pub(crate) fact: Fact,
    /// The job's number, which is its id.
    pub(crate) job: usize,
    /// With [`Fact::Began`]: deliveries of this job whose worker died or fell silent.
    pub(crate) losses: u32,
}

/// The writing end. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal(Arc<File>);

impl Journal {
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(path).with_context(|| format!("open {}", path.display()))?;
        Ok(Self(Arc::new(file)))
    }

    pub(crate) fn write(&self, fact: Fact, job: &str, losses: u32) {
        let word = WORDS.iter().find(|(other, _)| *other == fact).expect("every fact has a word").1;
        let line = format!("{} {word} {job} {losses}\n", now_ms());
        (&*self.0).write_all(line.as_bytes()).expect("the journal can be written");
    }

    /// The body begins; unless the guard is told that it ended, its drop says that it was dropped.
    pub(crate) fn begin(&self, ctx: &JobContext) -> Body {
        self.write(Fact::Began, ctx.id().as_str(), ctx.tries().losses);
        Body { journal: self.clone(), job: ctx.id().to_string(), has_ended: false }
    }
}

/// A body under way.
pub(crate) struct Body {
    journal: Journal,
    job: String,
    has_ended: bool,
}

impl Body {
    pub(crate) fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if !self.has_ended {
            self.journal.write(Fact::Dropped, &self.job, 0);
        }
    }
}

/// All records of one process, in their order. Empty when it never got so far as to open its journal.
///
/// # Errors
/// When a line is not one of ours.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    text.lines().map(|line| parse(line).with_context(|| format!("{}: {line:?}", path.display()))).collect()
}

fn parse(line: &str) -> Option<Record> {
    let mut words = line.split(' ');
    let at = words.next()?.parse().ok()?;
    let word = words.next()?;
    let fact = WORDS.iter().find(|(_, other)| *other == word)?.0;
    Some(Record { at, fact, job: words.next()?.parse().ok()?, losses: words.next()?.parse().ok()? })
}

/// Ms since the epoch by this machine's clock.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

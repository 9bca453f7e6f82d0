//! Takes from the worker's own trace what Redis answered to each settling move, and puts it on record.

use std::fmt::Debug;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::journal::{Fact, Journal};

/// A layer that listens to the settler.
pub(crate) struct Answers {
    journal: Journal,
}

impl Answers {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal }
    }
}

impl<S: Subscriber> Layer<S> for Answers {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut answer = Answer::default();
        event.record(&mut answer);
        if let (Some(job), Some(fact)) = (&answer.job, answer.fact()) {
            self.journal.write(fact, job, 0);
        }
    }
}

/// The fields of the settler's event `answered`.
#[derive(Default)]
struct Answer {
    job: Option<String>,
    to: String,
    answer: String,
    repeated: bool,
}

impl Answer {
    /// `None`: another event of the settler.
    fn fact(&self) -> Option<Fact> {
        match (self.answer.as_str(), self.to.as_str()) {
            ("done", "complete") => Some(Fact::Completed),
            ("done", "retry") => Some(Fact::Retried),
            ("done", "snooze") => Some(Fact::Snoozed),
            ("done", "release") => Some(Fact::Released),
            ("lease_lost", _) => Some(if self.repeated { Fact::Unsure } else { Fact::Refused }),
            ("", _) => None,
            _ => Some(Fact::Otherwise),
        }
    }
}

impl Visit for Answer {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "job.id" => self.job = Some(value.to_owned()),
            "to" => value.clone_into(&mut self.to),
            "answer" => value.clone_into(&mut self.answer),
            _ => {}
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "repeated" {
            self.repeated = value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

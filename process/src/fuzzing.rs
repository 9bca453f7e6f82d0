//! What the fuzz target `settings` in `fuzz/` calls, and the test of its seeds.

use std::time::{Duration, Instant};

use crate::kind::Kind;
use crate::table::{Process, SETTINGS};
use crate::{Settings, Usable};

/// An environment, `NAME=value` a line. Whatever passes the checks can be used by the process.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    // Checking an address asks the name service.
    let pairs = pairs.filter(|(name, _)| !SETTINGS.iter().any(|setting| setting.name == *name && setting.kind == Kind::Address));
    let pairs: Vec<_> = pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    for process in [Process::Worker, Process::OwnWorker, Process::Scheduler, Process::Ops] {
        let Usable { settings, sentences } = Settings::read(process, pairs.clone());
        assert!(sentences.iter().all(|sentence| !sentence.is_empty()));
        for setting in SETTINGS.iter().filter(|setting| settings.maybe(setting.name).is_some()) {
            use_as(&settings, setting.name, &setting.kind);
        }
    }
}

fn use_as(settings: &Settings, name: &str, kind: &Kind) {
    match kind {
        Kind::Integer { .. } => drop(settings.integer(name)),
        Kind::Duration => bearable(settings.duration(name)),
        Kind::Flag => drop(settings.flag(name)),
        Kind::Queues => assert!(!settings.list(name).is_empty()),
        Kind::Keys => assert!(celeriac_queue::KeyRing::parse(settings.text(name)).is_ok()),
        _ => drop(settings.secret(name)),
    }
}

/// Deadlines are made of it, some of its multiple.
fn bearable(duration: Duration) {
    let multiple = duration.checked_mul(10).expect("ten times a setting");
    assert!(Instant::now().checked_add(multiple).is_some(), "a deadline {duration:?} away cannot be told");
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    #[test]
    fn every_seed_is_taken_or_refused_in_order() {
        super::replay::seeds("settings", super::settings);
    }
}

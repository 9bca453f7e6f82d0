//! What the fuzz targets `crontab` and `schedules` in `fuzz/` call, and the test of their seeds.

use chrono::{DateTime, Utc};

use crate::{Calendar, Crontab, schedules};

/// Summer time begins and ends in these; one goes by half hours, one lost a whole day once.
const ZONES: [&str; 4] = ["UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"];
/// Before a gap, within a repeated hour, and at the end of a leap February.
const MOMENTS: [i64; 3] = [1_741_500_000, 1_762_063_200, 1_709_164_799];

/// A crontab line: refused, or its occurrences come one after the other, in every zone.
pub fn crontab(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    if Crontab::parse(line).is_err() {
        return;
    }
    for zone in ZONES {
        let calendar = Calendar::new(Some(line), None, zone).expect("a line that was taken");
        ordered(&calendar);
    }
}

/// A `schedules.toml`: refused with sentences, or every schedule of it has a next occurrence or none.
pub fn schedules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match schedules::parse(text) {
        Ok(schedules) => {
            for schedule in schedules {
                let every = schedule.every_seconds.map(i64::from);
                ordered(&Calendar::new(schedule.cron.as_deref(), every, &schedule.time_zone).expect("it was checked"));
                assert!(schedule.args.is_object() && schedule.priority.is_none_or(|priority| (0..=9).contains(&priority)));
            }
        }
        Err(sentences) => assert!(!sentences.is_empty() && sentences.iter().all(|sentence| !sentence.is_empty())),
    }
}

fn ordered(calendar: &Calendar) {
    for moment in MOMENTS {
        let mut before: DateTime<Utc> = DateTime::from_timestamp(moment, 0).expect("a moment");
        for _ in 0..4 {
            let Some(next) = calendar.next_after(before) else { break };
            assert!(next > before, "{next} does not come after {before}");
            before = next;
        }
    }
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    #[test]
    fn every_seed_is_taken_or_refused_in_order() {
        super::replay::seeds("crontab", super::crontab);
        super::replay::seeds("schedules", super::schedules);
    }
}

//! A queue's state as text, one line a key, times relative to now: what a test compares.

use std::collections::BTreeMap;
use std::fmt;

use celeriac_queue::{Attempt, Envelope, JobId, Outcome};

use super::snapshot::{Data, Snapshot};

/// Times are rounded to this, so that a slow machine sees the same text. All times in the tests are multiples of it.
const ROUNDING_MS: i64 = 30_000;

/// One line a key, sorted by key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct State(Vec<String>);

impl State {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        Self(snapshot.keys.iter().map(|(key, data)| format!("{key} {}", line(key, data, snapshot.now))).collect())
    }

    pub(crate) fn expected(text: &str) -> Self {
        let mut lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|line| !line.is_empty()).collect();
        lines.sort();
        Self(lines)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

fn line(key: &str, data: &Data, now: u64) -> String {
    let words: Vec<String> = match data {
        Data::Set(members) => members.iter().cloned().collect(),
        Data::Zset(members) if key.starts_with("ring:") => members.iter().map(|(lane, _)| lane.clone()).collect(),
        Data::Zset(members) => timetable(members, now),
        Data::List(items) if key.starts_with("history:") => items.iter().map(|json| attempt(json)).collect(),
        Data::List(items) => items.iter().map(|item| text(item)).collect(),
        Data::Hash(fields) => fields.iter().map(|(field, value)| word(key, field, value, now)).collect(),
    };
    words.join(" ")
}

/// By moment as far as it is shown, then by id.
fn timetable(members: &[(String, f64)], now: u64) -> Vec<String> {
    let mut members: Vec<(i64, &String, String)> =
        members.iter().map(|(id, score)| (steps_from(*score, now), id, moment(*score, now))).collect();
    members.sort();
    members.into_iter().map(|(_, id, moment)| format!("{id}@{moment}")).collect()
}

fn word(key: &str, field: &str, value: &[u8], now: u64) -> String {
    match key {
        "jobs" => job(field, value),
        "outcomes" | "cancels" => format!("{field}={}", outcome(value)),
        // A token is `<label>:<process id>:<random>:<random>`.
        "leases" => format!("{field}={}", text(value).split(':').next().unwrap_or_default()),
        "tries" => format!("{field}={}", text(value).replace(' ', ",")),
        "meta" if field == "touched" => format!("{field}@{}", moment(text(value).parse().unwrap(), now)),
        "meta" if field == "passed" => format!("{field}={}", text(value)),
        "meta" => field.to_owned(),
        "limits" => format!("{field}={}", text(value).parse::<f64>().unwrap()),
        "transfers" => format!("[{field}: {}]", transfer(value)),
        _ if key.starts_with("steps:") => format!("{field}={}", text(value).splitn(3, ' ').nth(2).unwrap_or("(unreadable)")),
        _ if key.starts_with("batch:") => batch_word(field, value, now),
        _ => format!("{field}={}", text(value)),
    }
}

/// Without the moment, and without what is ours to know of an envelope.
fn transfer(entry: &[u8]) -> String {
    let mut lines = entry.split(|byte| *byte == b'\n');
    let head: serde_json::Value = serde_json::from_slice(lines.next().unwrap()).unwrap();
    let next = lines.next().and_then(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let words = [&head["batch"]["id"], &head["batch"]["member"], &head["state"]].map(|word| word.as_str().map(str::to_owned));
    let next = next.map(|next| format!("{}/{}", next["queue"].as_str().unwrap(), next["id"].as_str().unwrap()));
    words.into_iter().flatten().chain(next).collect::<Vec<_>>().join(" ")
}

fn batch_word(field: &str, value: &[u8], now: u64) -> String {
    match field {
        "created" | "sealed" | "ended" => format!("{field}@{}", moment(text(value).parse().unwrap(), now)),
        _ if field.ends_with(":called") => format!("{field}@{}", moment(text(value).parse().unwrap(), now)),
        _ if field.ends_with(":callback") => field.to_owned(),
        _ => format!("{field}={}", text(value)),
    }
}

/// The plain `note {}` of most tests by its id alone; what differs is shown.
fn job(id: &str, bytes: &[u8]) -> String {
    match Envelope::decode(bytes, &JobId::parse(id).unwrap(), None) {
        Ok(envelope) if envelope.job == "note" && envelope.payload == b"{}" => id.to_owned(),
        Ok(envelope) => format!("{id}({} {})", envelope.job, text(&envelope.payload)),
        Err(_) => format!("{id}(unreadable)"),
    }
}

fn outcome(json: &[u8]) -> String {
    let outcome: Outcome = serde_json::from_slice(json).unwrap();
    let mut parts = BTreeMap::new();
    parts.extend(outcome.kind.map(|kind| (0, kind)));
    parts.extend(outcome.reason.map(|reason| (1, reason)));
    parts.extend(outcome.output.map(|output| (2, output.to_string())));
    format!("{}[{}]", outcome.state, parts.into_values().collect::<Vec<_>>().join(": "))
}

fn attempt(json: &[u8]) -> String {
    let attempt: Attempt = serde_json::from_slice(json).unwrap();
    format!("[{}: {}]", attempt.worker.split(':').next().unwrap_or_default(), attempt.error)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `now`, `+1m`, `-30s`, `+24h`; `past` for what a test has put at the beginning of time.
fn moment(score: f64, now: u64) -> String {
    if score.is_infinite() {
        return "later".to_owned();
    }
    if score < 1e6 {
        return "past".to_owned();
    }
    match steps_from(score, now) * ROUNDING_MS / 1_000 {
        0 => "now".to_owned(),
        s if s % 3_600 == 0 => format!("{:+}h", s / 3_600),
        s if s % 60 == 0 => format!("{:+}m", s / 60),
        s => format!("{s:+}s"),
    }
}

fn steps_from(score: f64, now: u64) -> i64 {
    ((score - now as f64) / ROUNDING_MS as f64).round() as i64
}

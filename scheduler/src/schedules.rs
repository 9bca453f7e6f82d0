//! Reading `schedules.toml`: all mistakes at once, each with the schedule's name and an example.
//!
//! One table a schedule, `[name]`; the keys are the rows of `KEYS`.

use std::fmt;
use std::path::Path;

use celeriac_queue::{EnqueueOptions, QueueName, Unique};
use serde_json::Value as Json;
use toml::{Table, Value};

use crate::Calendar;

/// Every key, with an example.
const KEYS: [(&str, &str); 15] = [
    ("job", "job = \"expire_licenses\""),
    ("cron", "cron = \"0 3 * * *\""),
    ("every_seconds", "every_seconds = 300"),
    ("time_zone", "time_zone = \"America/New_York\""),
    ("args", "args = { dry_run = true }"),
    ("queue", "queue = \"maintenance\""),
    ("priority", "priority = 5"),
    ("enabled", "enabled = false"),
    ("catch_up", "catch_up = \"once\""),
    ("overlap", "overlap = \"skip\""),
    ("expires_seconds", "expires_seconds = 3000"),
    ("key", "key = \"tenant-42\""),
    ("unique_key", "unique_key = \"nightly-report\""),
    ("unique_scope", "unique_scope = \"queued\""),
    ("unique_conflict", "unique_conflict = \"replace\""),
];
const UNIQUE_SCOPES: [&str; 2] = ["running", "queued"];
const OVERLAPS: [&str; 2] = ["allow", "skip"];

/// A checked table of the file; a row to be.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSchedule {
    pub name: String,
    pub job: String,
    pub cron: Option<String>,
    pub every_seconds: Option<i32>,
    pub time_zone: String,
    pub args: Json,
    pub queue: Option<String>,
    pub priority: Option<i16>,
    pub enabled: bool,
    pub catch_up: String,
    pub overlap: String,
    pub expires_seconds: Option<i32>,
    /// Whose work the jobs are.
    pub key: Option<String>,
    pub unique_key: Option<String>,
    /// `None`: the jobs are not unique.
    pub unique_scope: Option<String>,
    pub unique_conflict: Option<String>,
}

/// Everything that is wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScheduleErrors {
    pub file: String,
    /// One sentence a mistake.
    pub sentences: Vec<String>,
}

impl fmt::Display for ScheduleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the schedules in {} cannot be used:", self.sentences.len(), self.file)?;
        self.sentences.iter().try_for_each(|sentence| write!(f, "\n  - {sentence}"))
    }
}

/// Reads and checks the file.
///
/// # Errors
/// [`ScheduleErrors`], also when there is no such file.
pub fn read(path: &Path) -> Result<Vec<FileSchedule>, ScheduleErrors> {
    let file = path.display().to_string();
    let fail = |sentences| ScheduleErrors { file: file.clone(), sentences };
    let text = std::fs::read_to_string(path).map_err(|error| {
        fail(vec![format!("the file cannot be read ({error}): correct SCHEDULES_FILE, or unset it to use the rows in the database alone")])
    })?;
    parse(&text).map_err(fail)
}

/// Checks a file's text. Schedules come in the order of their names.
///
/// # Errors
/// One sentence a mistake.
pub fn parse(text: &str) -> Result<Vec<FileSchedule>, Vec<String>> {
    let tables: Table = text.parse().map_err(|error: toml::de::Error| vec![format!("it is not TOML: {}", error.to_string().trim_end())])?;
    let mut schedules = Vec::new();
    let mut sentences = Vec::new();
    for (name, value) in &tables {
        match value {
            Value::Table(table) => {
                let mut reader = Reader { name, table, faults: Vec::new() };
                let schedule = reader.read();
                sentences.extend(reader.faults.into_iter().map(|fault| format!("{name}: {fault}")));
                schedules.push(schedule);
            }
            _ => sentences
                .push(format!("{name}: it stands outside of any schedule; a schedule begins with its name, as in [expire_licenses]")),
        }
    }
    if sentences.is_empty() { Ok(schedules) } else { Err(sentences) }
}

/// Reads one table and gathers what is wrong with it.
struct Reader<'a> {
    name: &'a str,
    table: &'a Table,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn read(&mut self) -> FileSchedule {
        if !is_schedule_name(self.name) {
            self.faults.push("the name must be a lower-case letter and up to 62 of a-z 0-9 _ -, as in expire_licenses".into());
        }
        for key in self.table.keys().filter(|key| KEYS.iter().all(|(known, _)| known != key)) {
            let known: Vec<&str> = KEYS.iter().map(|(known, _)| *known).collect();
            self.faults.push(format!("there is no key \"{key}\"; the keys are {}", known.join(", ")));
        }
        let schedule = FileSchedule {
            name: self.name.to_owned(),
            job: self.job(),
            cron: self.text("cron"),
            every_seconds: self.integer("every_seconds", 1, i32::MAX),
            time_zone: self.text("time_zone").unwrap_or_else(|| "UTC".into()),
            args: self.args(),
            queue: self.queue(),
            priority: self.integer("priority", 0_i16, 9),
            enabled: self.flag("enabled").unwrap_or(true),
            catch_up: self.word("catch_up", &["once", "skip", "all"]),
            overlap: self.word("overlap", &OVERLAPS),
            expires_seconds: self.integer("expires_seconds", 1, i32::MAX),
            key: self.text("key"),
            unique_key: self.text("unique_key"),
            unique_scope: self.unique_scope(),
            unique_conflict: self.text("unique_conflict"),
        };
        self.check_sharing(&schedule);
        // A wrong type was told above; a second sentence about the missing value would mislead.
        let rhythm_given = ["cron", "every_seconds"].map(|key| self.table.contains_key(key));
        if rhythm_given == [schedule.cron.is_some(), schedule.every_seconds.is_some()]
            && let Err(error) = Calendar::new(schedule.cron.as_deref(), schedule.every_seconds.map(i64::from), &schedule.time_zone)
        {
            self.faults.push(error.to_string());
        }
        schedule
    }

    fn job(&mut self) -> String {
        let Some(job) = self.text("job") else {
            if !self.table.contains_key("job") {
                self.fault("job", "is missing");
            }
            return String::new();
        };
        let rest_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
        if job.len() > 100 || !job.starts_with(|c: char| c.is_ascii_lowercase()) || !job.bytes().all(rest_allowed) {
            self.fault("job", "is not a job name, which is snake_case");
        }
        job
    }

    fn queue(&mut self) -> Option<String> {
        let queue = self.text("queue")?;
        if let Err(error) = QueueName::parse(&queue) {
            self.faults.push(error.to_string());
        }
        Some(queue)
    }

    fn args(&mut self) -> Json {
        match self.table.get("args") {
            None => Json::Object(serde_json::Map::new()),
            Some(args @ Value::Table(_)) => json(args).unwrap_or_else(|| {
                self.fault("args", "holds a number that JSON has not (inf or nan)");
                Json::Null
            }),
            Some(_) => {
                self.fault("args", "is not a table of the job's arguments");
                Json::Null
            }
        }
    }

    fn unique_scope(&mut self) -> Option<String> {
        let meant = ["unique_key", "unique_scope", "unique_conflict"].iter().any(|key| self.table.contains_key(*key));
        meant.then(|| self.word("unique_scope", &UNIQUE_SCOPES))
    }

    /// Key and unique key as the queue will read them.
    fn check_sharing(&mut self, schedule: &FileSchedule) {
        let unique = Unique::from_words(schedule.unique_key.clone(), None, None, schedule.unique_conflict.as_deref());
        let options = EnqueueOptions { key: schedule.key.clone(), ..EnqueueOptions::default() };
        let faults = [unique.err(), options.check().err()];
        self.faults.extend(faults.into_iter().flatten().map(|fault| fault.to_string()));
    }

    fn text(&mut self, key: &'static str) -> Option<String> {
        match self.table.get(key)? {
            Value::String(text) => Some(text.clone()),
            _ => {
                self.fault(key, "is not a text in quotes");
                None
            }
        }
    }

    fn flag(&mut self, key: &'static str) -> Option<bool> {
        match self.table.get(key)? {
            Value::Boolean(flag) => Some(*flag),
            _ => {
                self.fault(key, "is neither true nor false");
                None
            }
        }
    }

    fn integer<N: TryFrom<i64> + PartialOrd + fmt::Display + Copy>(&mut self, key: &'static str, low: N, high: N) -> Option<N> {
        let number = self.table.get(key)?.as_integer().and_then(|number| N::try_from(number).ok());
        let number = number.filter(|number| (low..=high).contains(number));
        if number.is_none() {
            self.fault(key, &format!("is not a whole number from {low} to {high}"));
        }
        number
    }

    /// One of some words, the first when the key is absent.
    fn word(&mut self, key: &'static str, words: &[&str]) -> String {
        let given = self.text(key);
        if given.as_deref().is_some_and(|given| !words.contains(&given)) {
            self.fault(key, &format!("is not one of {}", words.join(", ")));
        }
        given.unwrap_or_else(|| words[0].to_owned())
    }

    fn fault(&mut self, key: &str, what: &str) {
        let example = KEYS.iter().find_map(|(known, example)| (*known == key).then_some(*example)).expect("every key has an example");
        self.faults.push(format!("{key} {what}. For example {example}"));
    }
}

fn is_schedule_name(name: &str) -> bool {
    // The same characters as a queue's name, and the same length.
    QueueName::parse(name).is_ok()
}

/// `None` for a number that JSON cannot say. Dates become texts.
fn json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::String(text) => Json::from(text.as_str()),
        Value::Integer(number) => Json::from(*number),
        Value::Float(number) => Json::Number(serde_json::Number::from_f64(*number)?),
        Value::Boolean(flag) => Json::from(*flag),
        Value::Datetime(moment) => Json::from(moment.to_string()),
        Value::Array(values) => Json::Array(values.iter().map(json).collect::<Option<_>>()?),
        Value::Table(table) => Json::Object(table.iter().map(|(key, value)| Some((key.clone(), json(value)?))).collect::<Option<_>>()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catch_up::CatchUp;

    #[test]
    fn a_short_table_gets_the_defaults_and_a_full_one_is_kept() {
        let text = r#"
            [plain]
            job = "expire_licenses"
            cron = "@hourly"

            [full]
            job = "greet"
            every_seconds = 300
            time_zone = "Europe/Berlin"
            args = { name = "Ada", since = 2026-11-21, deep = { list = [1, 2.5, true] } }
            queue = "maintenance"
            priority = 0
            enabled = false
            catch_up = "skip"
            overlap = "skip"
            expires_seconds = 290
            key = "tenant-1"
            unique_key = "greeting"
            unique_conflict = "replace"
        "#;
        let schedules = parse(text).unwrap();
        let full = &schedules[0];
        assert_eq!(full.args, serde_json::json!({"name": "Ada", "since": "2026-11-21", "deep": {"list": [1, 2.5, true]}}));
        assert_eq!((full.priority, full.every_seconds, full.enabled, full.expires_seconds), (Some(0), Some(300), false, Some(290)));
        assert_eq!((full.key.as_deref(), full.unique_key.as_deref()), (Some("tenant-1"), Some("greeting")));
        assert_eq!((full.unique_scope.as_deref(), full.unique_conflict.as_deref()), (Some("running"), Some("replace")));
        let plain = &schedules[1];
        assert_eq!((&plain.key, &plain.unique_scope), (&None, &None));
        assert_eq!((plain.time_zone.as_str(), plain.catch_up.as_str(), plain.overlap.as_str()), ("UTC", "once", "allow"));
        assert_eq!((plain.enabled, &plain.args, plain.expires_seconds), (true, &serde_json::json!({}), None));
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_its_schedule_and_an_example() {
        let text = r#"
            version = 1
            [Bad-Name]
            job = "greet"
            cron = "@daily"
            [no_rhythm]
            job = "greet"
            [wrong]
            job = "Greet"
            cron = 5
            args = [1]
            queue = "Q"
            priority = 10
            enabled = "yes"
            catch_up = "always"
            overlap = "forbid"
            expires_seconds = 0
            key = "two words"
            unique_scope = "period"
            unique_conflict = "merge"
            evry_seconds = 5
            [zone]
            cron = "0 3 * * *"
            time_zone = "Eastern"
        "#;
        let sentences = parse(text).unwrap_err();
        for (schedule, clue) in [
            ("version", "[expire_licenses]"),
            ("Bad-Name", "lower-case"),
            ("no_rhythm", "either cron"),
            ("wrong", "job = \"expire_licenses\""),
            ("wrong", "cron = \"0 3 * * *\""),
            ("wrong", "args = { dry_run = true }"),
            ("wrong", "queue name"),
            ("wrong", "0 to 9"),
            ("wrong", "enabled = false"),
            ("wrong", "once, skip, all"),
            ("wrong", "allow, skip"),
            ("wrong", "expires_seconds = 3000"),
            ("wrong", "\"two words\" is not a key"),
            ("wrong", "running, queued"),
            ("wrong", "reject, replace or keep_last"),
            ("wrong", "\"evry_seconds\""),
            ("zone", "job is missing"),
            ("zone", "America/New_York"),
        ] {
            let told = sentences.iter().any(|sentence| sentence.starts_with(&format!("{schedule}: ")) && sentence.contains(clue));
            assert!(told, "{schedule} / {clue} is missing in {sentences:#?}");
        }
        assert_eq!(sentences.len(), 18, "{sentences:#?}");
    }

    #[test]
    fn text_that_is_not_toml_says_where() {
        let sentences = parse("[a]\njob = greet\n").unwrap_err();
        assert!(sentences[0].contains("line 2"), "{sentences:?}");
    }

    #[test]
    fn every_policy_word_of_the_file_is_one_the_scheduler_knows() {
        for word in ["once", "skip", "all"] {
            assert!(CatchUp::parse(word).is_some());
        }
    }
}

//! Reading the settings of one process: all mistakes at once, before any work is taken.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::kind::{parse_duration, parse_flag, split_list};
use crate::table::{Process, SETTINGS, Setting, When};

/// The checked settings of one process.
#[derive(Clone)]
pub struct Settings {
    values: BTreeMap<&'static str, String>,
}

impl fmt::Debug for Settings {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SettingErrors {
    /// One sentence a mistake: the variable, what is wrong, an example.
    pub sentences: Vec<String>,
}

impl fmt::Display for SettingErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} of the settings cannot be used:", self.sentences.len())?;
        for sentence in &self.sentences {
            writeln!(f, "  - {sentence}")?;
        }
        f.write_str("Set them in the environment (or in .env) and start again; `celeriac check` tests them all.")
    }
}

/// The settings that can be used, and a sentence for each that cannot.
#[derive(Debug, Clone)]
pub struct Usable {
    pub settings: Settings,
    pub sentences: Vec<String>,
}

impl Usable {
    fn into_result(self) -> Result<Settings, SettingErrors> {
        if self.sentences.is_empty() { Ok(self.settings) } else { Err(SettingErrors { sentences: self.sentences }) }
    }
}

impl Settings {
    /// From the environment; in a working folder with a `.env` file, also from there (the environment wins).
    ///
    /// # Errors
    /// [`SettingErrors`] with every missing or wrong setting of that process, and a `.env` file that cannot be read.
    pub fn load(process: Process) -> Result<Self, SettingErrors> {
        Self::load_usable(process).into_result()
    }

    /// As [`Settings::load`], but keeps what can be used beside the mistakes: for a check that goes on to test the rest.
    pub fn load_usable(process: Process) -> Usable {
        let (from_file, fault) = match dotenvy::from_path_iter(".env") {
            Err(error) if error.not_found() => (Vec::new(), None),
            Err(error) => (Vec::new(), Some(format!(".env cannot be read: {error}"))),
            Ok(pairs) => match pairs.collect::<Result<Vec<_>, _>>() {
                Ok(pairs) => (pairs, None),
                Err(error) => (Vec::new(), Some(format!(".env is not a list of NAME=value lines: {error}"))),
            },
        };
        let mut read = Self::read(process, from_file.into_iter().chain(std::env::vars()));
        read.sentences.splice(0..0, fault);
        read
    }

    /// From given pairs; later ones win. For tests and for programs with a configuration of their own.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_pairs(process: Process, pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, SettingErrors> {
        Self::read(process, pairs).into_result()
    }

    pub(crate) fn read(process: Process, pairs: impl IntoIterator<Item = (String, String)>) -> Usable {
        // An empty value means unset: that is how shells and compose files write it.
        let given: BTreeMap<String, String> = pairs.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
        let mut values = BTreeMap::new();
        let mut sentences = Vec::new();
        for setting in SETTINGS {
            match given.get(setting.name).map(|value| value.trim().to_owned()).or_else(|| setting.default.map(str::to_owned)) {
                Some(value) => match setting.kind.fault(&value) {
                    None => {
                        values.insert(setting.name, value);
                    }
                    Some(fault) => sentences.push(wrong(setting, &value, &fault)),
                },
                None if setting.needed_by.contains(&process) => sentences.extend(missing(setting, &given)),
                None => {}
            }
        }
        Usable { settings: Self { values }, sentences }
    }

    /// The value of a setting that has a default or is needed.
    ///
    /// # Panics
    /// When it is unset or not in the table: a mistake in the program.
    pub fn text(&self, name: &str) -> &str {
        self.maybe(name).unwrap_or_else(|| panic!("{name} has neither a default nor a check that it is set"))
    }

    /// The value of a setting that may be unset.
    ///
    /// # Panics
    /// When it is not in the table: a mistake in the program.
    pub fn maybe(&self, name: &str) -> Option<&str> {
        assert!(SETTINGS.iter().any(|setting| setting.name == name), "{name} is not in the table of settings");
        self.values.get(name).map(String::as_str)
    }

    pub fn secret(&self, name: &str) -> SecretString {
        self.text(name).into()
    }

    pub fn maybe_secret(&self, name: &str) -> Option<SecretString> {
        self.maybe(name).map(SecretString::from)
    }

    pub fn integer(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_else(|_| panic!("{name} is not an integer in the table"))
    }

    pub fn duration(&self, name: &str) -> Duration {
        parse_duration(self.text(name)).unwrap_or_else(|| panic!("{name} is not a duration in the table"))
    }

    pub fn flag(&self, name: &str) -> bool {
        parse_flag(self.text(name)).unwrap_or_else(|| panic!("{name} is not a flag in the table"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(self.text(name))
    }

    pub fn maybe_path(&self, name: &str) -> Option<PathBuf> {
        self.maybe(name).map(PathBuf::from)
    }

    pub fn list(&self, name: &str) -> Vec<String> {
        split_list(self.text(name))
    }
}

/// The sentence for a setting that is not there, unless nothing needs it as the others are.
fn missing(setting: &Setting, given: &BTreeMap<String, String>) -> Option<String> {
    let is_on = |name: &str| {
        let default = SETTINGS.iter().find(|other| other.name == name).and_then(|other| other.default);
        given.get(name).map(String::as_str).or(default).and_then(|text| parse_flag(text.trim())).unwrap_or(false)
    };
    let because = match setting.needed_when {
        When::Always => String::new(),
        When::On(name) => is_on(name).then(|| format!(", and {name}=true needs it"))?,
        When::Off(name) => (!is_on(name)).then(|| format!(", and it is needed unless {name}=true"))?,
        When::With(name) => given.contains_key(name).then(|| format!(", and {name} needs it"))?,
    };
    Some(format!("{} is not set{because}. {} For example {}={}", setting.name, setting.meaning, setting.name, setting.example))
}

fn wrong(setting: &Setting, value: &str, fault: &str) -> String {
    let shown = if setting.secret { String::new() } else { format!(" (\"{value}\")") };
    format!("{}{shown} cannot be used: {fault}. For example {}={}", setting.name, setting.name, setting.example)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(given: &[(&str, &str)]) -> Vec<(String, String)> {
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_secrets_are_not_repeated() {
        let given = pairs(&[("REDIS_URL", "http://user:hunter2@host"), ("WORKER_LEASE", "soon"), ("FIELD_ENCRYPTION_KEYS", "hunter2")]);
        let errors = Settings::from_pairs(Process::Worker, given).unwrap_err();
        let text = errors.to_string();
        for name in ["REDIS_URL", "DATABASE_URL", "OPENAI_API_KEY", "MEDIA_ROOT", "FIELD_ENCRYPTION_KEYS", "WORKER_LEASE"] {
            assert!(text.contains(name), "{name} is missing in:\n{text}");
        }
        assert!(!text.contains("hunter2"), "a secret was printed:\n{text}");
        assert!(text.contains("\"soon\""), "the bad value is missing in:\n{text}");
    }

    #[test]
    fn each_process_asks_only_for_what_it_needs() {
        let given = pairs(&[("REDIS_URL", "redis://h"), ("DATABASE_URL", "postgres://h/db")]);
        assert!(Settings::from_pairs(Process::Scheduler, given.clone()).is_ok());
        assert!(Settings::from_pairs(Process::OwnWorker, given[..1].to_vec()).is_ok());
        assert_eq!(Settings::from_pairs(Process::Worker, given).unwrap_err().sentences.len(), 3);
    }

    #[test]
    fn what_one_setting_makes_necessary_is_asked_for_all_at_once() {
        let complete = [
            ("REDIS_URL", "redis://h"),
            ("DATABASE_URL", "postgres://h/db"),
            ("OPENAI_API_KEY", "sk"),
            ("FIELD_ENCRYPTION_KEYS", "Y2VsZXJpYWMtZXhhbXBsZS1rZXktMzItYnl0ZXMhISE="),
        ];
        let asked = |more: &[(&str, &str)]| {
            let sentences = Settings::read(Process::Worker, pairs(&[&complete, more].concat())).sentences;
            sentences.iter().map(|sentence| sentence.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(asked(&[]), ["MEDIA_ROOT"]);
        assert_eq!(asked(&[("USE_S3", "yes")]), ["AWS_STORAGE_BUCKET_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
        assert_eq!(
            asked(&[("USE_S3", "yes"), ("AWS_STORAGE_BUCKET_NAME", "b"), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")]).len(),
            0
        );
    }

    #[test]
    fn an_empty_value_means_unset() {
        let given = pairs(&[("REDIS_URL", "redis://h"), ("WORKER_LEASE", ""), ("SENTRY_DSN", " ")]);
        let settings = Settings::from_pairs(Process::OwnWorker, given).unwrap();
        assert_eq!(settings.duration("WORKER_LEASE"), Duration::from_secs(10));
        assert_eq!(settings.maybe("SENTRY_DSN"), None);
    }

    #[test]
    fn every_default_and_example_passes_its_own_check() {
        for setting in SETTINGS {
            if let Some(default) = setting.default {
                assert_eq!(setting.kind.fault(default), None, "default of {}", setting.name);
            }
            assert_eq!(setting.kind.fault(setting.example), None, "example of {}", setting.name);
        }
    }
}

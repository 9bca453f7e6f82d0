//! What a setting's text may be.

use std::net::ToSocketAddrs;

pub use std::time::Duration;

/// The shape of a setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Text,
    /// A URL of one of these schemes.
    Url(&'static [&'static str]),
    /// One or more URLs of Redis.
    Redis,
    Integer {
        min: u64,
        max: u64,
    },
    /// A number with a unit: ms, s, m, h or d.
    Duration,
    /// true or false (also 1, 0, yes, no).
    Flag,
    Path,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Queue names separated by commas.
    Queues,
    /// Keys of 32 bytes in URL-safe base64 (Fernet's form), separated by commas.
    Keys,
    /// host:port
    Address,
    /// A number from 0 to 1.
    Fraction,
    /// US dollars, with cents and less.
    Usd,
}

impl Kind {
    /// What is wrong with this text, in words that do not repeat it (it may be a secret).
    pub(crate) fn fault(&self, text: &str) -> Option<String> {
        match self {
            Self::Text | Self::Path => None,
            Self::Url(schemes) => match url::Url::parse(text) {
                Ok(url) if !schemes.contains(&url.scheme()) => Some(format!("its scheme must be {}", schemes.join(" or "))),
                Ok(url) if url.host_str().is_none_or(str::is_empty) && !url.query_pairs().any(|(name, _)| name == "host") => {
                    Some("it names no host".into())
                }
                Ok(_) => None,
                Err(error) => Some(format!("it is not a URL ({error})")),
            },
            Self::Redis => celeriac_queue::RedisConfig::url_fault(text),
            Self::Integer { min, max } => match text.parse::<u64>() {
                Ok(number) if (*min..=*max).contains(&number) => None,
                _ => Some(format!("it must be a whole number from {min} to {max}")),
            },
            Self::Duration => {
                parse_duration(text).is_none().then(|| "it must be a number with a unit (ms, s, m, h or d), at most 3650d".into())
            }
            Self::Flag => parse_flag(text).is_none().then(|| "it must be true or false".into()),
            Self::OneOf(words) => (!words.contains(&text)).then(|| format!("it must be {}", words.join(" or "))),
            Self::Queues => split_list(text)
                .iter()
                .find_map(|entry| served_queue_fault(entry))
                .or_else(|| split_list(text).is_empty().then(|| "it names no queue".into())),
            Self::Keys => celeriac_queue::KeyRing::parse(text).err().map(|error| error.to_string()),
            Self::Address => text.to_socket_addrs().is_err().then(|| "it must be host:port".into()),
            Self::Fraction => text
                .parse::<f64>()
                .ok()
                .filter(|part| (0.0..=1.0).contains(part))
                .is_none()
                .then(|| "it must be a number from 0 to 1".into()),
            Self::Usd => text
                .parse::<f64>()
                .ok()
                .filter(|usd| (0.000_001..=1e9).contains(usd))
                .is_none()
                .then(|| "it must be a number of US dollars above 0, as in 5 or 0.50".into()),
        }
    }
}

/// Ten years: deadlines are made of durations, and a clock cannot tell every moment that a number of milliseconds could name.
const DURATION_MAX: Duration = Duration::from_secs(3_650 * 86_400);

/// `250ms`, `30s`, `5m`, `2h`, `14d`; at most ten years.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let ms = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(ms).map(Duration::from_millis).filter(|duration| *duration <= DURATION_MAX)
}

pub(crate) fn parse_flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

pub(crate) fn split_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// A queue's name, or `name:weight`.
fn served_queue_fault(entry: &str) -> Option<String> {
    let (name, weight) = entry.split_once(':').unwrap_or((entry, "1"));
    if let Err(error) = celeriac_queue::QueueName::parse(name) {
        return Some(error.to_string());
    }
    let is_weight = weight.parse::<u32>().is_ok_and(|weight| (1..=1_000).contains(&weight));
    (!is_weight).then(|| format!("the weight of queue {name} must be a number from 1 to 1000, as in documents:3,default:1"))
}

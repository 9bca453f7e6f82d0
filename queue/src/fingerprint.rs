//! Which dead jobs died of the same cause: a short hash of job name, kind of end, and the reason without what differs from case to case.
//!
//! In the reason, numbers, hexadecimal and mixed ids, UUIDs, quoted texts, paths and addresses are replaced by a sign, and letter case and
//! spaces do not count. A status or exit code stays: 429 and 500 are two causes. Computed when a dead job is read, never stored, so that a
//! better rule regroups old jobs too.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::Error;

/// So many characters of the replaced text count. Reasons are cut at 2,000 characters, at another place in each case.
const CHARS_MAX: usize = 500;
/// After these words a number of at most three digits is a code, not a measure.
const CODE_WORDS: [&str; 6] = ["http", "status", "code", "error", "errno", "signal"];
const UUID_CHARS: usize = 36;

/// 12 hexadecimal digits that name a cause.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a dead job: its wire name where that can be read, and kind and reason of its outcome.
    pub fn of(job: Option<&str>, kind: Option<&str>, reason: Option<&str>) -> Self {
        let cause = normalise(reason.unwrap_or_default());
        let text = [job.unwrap_or_default(), kind.unwrap_or_default(), &cause].join("\n");
        // Two of ten thousand causes meet with a chance of one in five million.
        Self(format!("{:012x}", fnv1a(text.as_bytes()) >> 16))
    }

    /// # Errors
    /// [`Error::InvalidName`] unless it is 12 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim().to_ascii_lowercase();
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(text));
        }
        Err(Error::invalid_name("fingerprint of dead jobs", &text, "12 hexadecimal digits, as in 3fa9c1d07b2e"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.0
    }
}

/// FNV-1a: the same in every build and on every machine, which the standard library's hasher does not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The reason as it is compared.
fn normalise(reason: &str) -> String {
    let mut text = Normal::default();
    let mut rest = reason;
    let mut previous = ' ';
    while let Some(next) = rest.chars().next() {
        let starts_a_word = !previous.is_alphanumeric();
        let variable = if starts_a_word { variable_part(rest) } else { None };
        let taken = if let Some((length, sign)) = variable {
            text.push_sign(sign);
            length
        } else if next.is_alphanumeric() {
            let run = run(rest);
            text.push_run(run);
            run.len()
        } else {
            text.push_mark(next);
            next.len_utf8()
        };
        previous = rest[..taken].chars().next_back().unwrap_or(' ');
        rest = &rest[taken..];
        if text.chars >= CHARS_MAX {
            break;
        }
    }
    text.out.trim_end().chars().take(CHARS_MAX).collect()
}

/// The letters and digits up to the next other character.
fn run(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len())]
}

/// A part at the head of the text that is replaced as a whole: how many bytes it has, and its sign.
fn variable_part(text: &str) -> Option<(usize, char)> {
    if let Some(length) = quoted(text) {
        return Some((length, '"'));
    }
    if is_uuid(text) && !text[UUID_CHARS..].starts_with(char::is_alphanumeric) {
        return Some((UUID_CHARS, '#'));
    }
    let word = &text[..text.find(|c: char| c.is_whitespace() || ",;()<>{}\"'`".contains(c)).unwrap_or(text.len())];
    let word = word.trim_end_matches(['.', ':', '!', '?']);
    let inside = word.strip_prefix('[').map_or(word, |rest| rest.strip_suffix(']').unwrap_or(rest));
    let is_address = word.contains("://")
        || word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
        || inside.parse::<IpAddr>().is_ok()
        || word.parse::<SocketAddr>().is_ok();
    if is_address {
        return Some((word.len(), '@'));
    }
    let is_path = (word.starts_with('/') || word.starts_with("./") || word.starts_with("~/") || word.get(1..3) == Some(":\\"))
        && word.contains(char::is_alphanumeric);
    is_path.then_some((word.len(), '/'))
}

/// The length of the quoted text at the head, with its marks. An apostrophe inside a word opens nothing, as a word stands before it.
fn quoted(text: &str) -> Option<usize> {
    let open = text.chars().next()?;
    let close = match open {
        '"' | '\'' | '`' => open,
        '“' => '”',
        '‘' => '’',
        '«' => '»',
        _ => return None,
    };
    let mut escaped = false;
    let inside = &text[open.len_utf8()..];
    for (at, c) in inside.char_indices() {
        let after = at + c.len_utf8();
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            // It may be quoted over many lines, as answers of other services are.
            _ if c == close && !inside[after..].starts_with(char::is_alphanumeric) => return Some(open.len_utf8() + after),
            _ => {}
        }
    }
    None
}

fn is_uuid(text: &str) -> bool {
    text.as_bytes().get(..UUID_CHARS).is_some_and(|bytes| {
        bytes.iter().enumerate().all(|(at, byte)| if [8, 13, 18, 23].contains(&at) { *byte == b'-' } else { byte.is_ascii_hexdigit() })
    })
}

/// The text under construction.
#[derive(Default)]
struct Normal {
    out: String,
    chars: usize,
    /// The last word but for marks, to know a code by.
    word: String,
}

impl Normal {
    /// Several variable parts in a row, as in dates, lists and versions, count as one.
    fn push_sign(&mut self, sign: char) {
        let joined = self.out.trim_end_matches(|c: char| " .,:-+".contains(c));
        if sign == '#' && joined.ends_with('#') {
            let length = joined.len();
            self.out.truncate(length);
        } else {
            self.push(sign);
        }
        self.word.clear();
    }

    fn push_run(&mut self, run: &str) {
        let is_code = run.len() <= 3 && run.bytes().all(|b| b.is_ascii_digit()) && CODE_WORDS.contains(&self.word.as_str());
        if !is_code && is_id(run) {
            self.push_sign('#');
            return;
        }
        let word = run.to_lowercase();
        let mut after_digit = false;
        for c in word.chars() {
            if is_code || !c.is_ascii_digit() {
                self.push(c);
            } else if !after_digit {
                self.push('#');
            }
            after_digit = c.is_ascii_digit();
        }
        self.word = word;
    }

    fn push_mark(&mut self, mark: char) {
        match mark {
            _ if !mark.is_whitespace() => self.push(mark),
            _ if self.out.is_empty() || self.out.ends_with(' ') => {}
            _ => self.push(' '),
        }
    }

    fn push(&mut self, c: char) {
        self.out.push(c);
        self.chars += 1;
    }
}

/// Letters and digits that no person would write: a number with or without its unit, hexadecimal, or digits strewn among letters.
fn is_id(run: &str) -> bool {
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    let groups = run.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()).count();
    run.starts_with(|c: char| c.is_ascii_digit())
        || (digits > 0 && run.len() >= 6 && run.bytes().all(|b| b.is_ascii_hexdigit()))
        || (groups >= 2 && run.len() >= 8)
        || (digits > 0 && run.len() >= 10 && run.ends_with(|c: char| !c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reason: &str) -> Fingerprint {
        Fingerprint::of(Some("process_document"), Some("failed"), Some(reason))
    }

    #[test]
    fn what_differs_from_case_to_case_does_not_count() {
        let groups: &[&[&str]] = &[
            &["timed out after 30s on document 17", "Timed out after 1500ms on  document 4711", "timed out after 2.5s on document 0x1f"],
            &["no row for 550e8400-e29b-41d4-a716-446655440000", "no row for f81d4fae-7dec-11d0-a765-00a0c91e6bf6"],
            &["no such customer: cus_9s6XKzkNRiz8i3", "no such customer: cus_4fdAW5ftNQow1a"],
            &["no such customer: cus_NffrFeUfNV2Hib", "no such customer: cus_QpXaBc4dEfGhIj"],
            &["batch x7Kq2mZp is gone", "batch Zp9wLq4t is gone"],
            &["commit a1b2c3d is gone", "commit 0f9e8d7c is gone", "commit deadbeef01 is gone"],
            &["cannot open \"a b.pdf\": denied", "cannot open \"c \\\" d.pdf\": denied"],
            &["column 'total' does not exist", "column 'unit price' does not exist"],
            &["unknown model `gpt-4`", "unknown model `o3`"],
            &["connect to 10.0.0.1:6379 refused", "connect to 192.168.10.20:16379 refused", "connect to [2001:db8::ff00:42]:6379 refused"],
            &["GET https://api.example.com/v1/x?id=7 failed", "GET http://localhost:9/ failed"],
            &["mail to ada@example.com bounced", "mail to grace.h@navy.example.org bounced"],
            &["read /media/2026/11/report-final.pdf: broken", "read /tmp/x: broken", "read ./x.pdf: broken"],
            &["due 2026-11-21T09:00:00Z", "due 2026-11-21 09:00:00.123Z", "due 7"],
            &["pages [1, 2, 3] are empty", "pages [4] are empty"],
            &["worker-3 fell silent", "worker-12 fell silent"],
            &["page12 is blank", "page7 is blank"],
        ];
        for group in groups {
            for other in &group[1..] {
                assert_eq!(normalise(group[0]), normalise(other));
            }
        }
    }

    #[test]
    fn two_causes_stay_two() {
        let causes = [
            "timed out after 30s",
            "timed out after 30s while connecting",
            "the service answered with status 429",
            "the service answered with status 500",
            "HTTP 404: no such file",
            "HTTP 410: no such file",
            "connection refused (os error 111)",
            "connection reset (os error 104)",
            "the child ended with code: 137",
            "the child ended with code: 1",
            "the document can't be read, don't retry",
            "the document can't be found, don't retry",
            "sha256 does not match",
            "utf8 does not match",
            "either/or",
            "neither/or",
            "",
            "缺少字段",
            "缺少文件",
        ];
        for (at, cause) in causes.iter().enumerate() {
            for other in &causes[..at] {
                assert_ne!(of(cause), of(other), "{cause:?} and {other:?} are one group");
            }
        }
    }

    #[test]
    fn another_job_and_another_kind_of_end_are_another_cause() {
        let base = of("no");
        assert_ne!(base, Fingerprint::of(Some("send_mail"), Some("failed"), Some("no")));
        assert_ne!(base, Fingerprint::of(Some("process_document"), Some("poison"), Some("no")));
        assert_ne!(base, Fingerprint::of(None, Some("failed"), Some("no")));
    }

    #[test]
    fn a_reason_that_was_cut_at_another_place_is_the_same_cause() {
        let long = |id: &str, length: usize| format!("document {id} failed: {}…", "a fine mess ".repeat(200).get(..length).unwrap());
        assert_eq!(of(&long("7", 1_990)), of(&long("123456789", 1_982)));
    }

    #[test]
    fn a_fingerprint_is_the_same_in_every_build_and_is_read_back() {
        let fingerprint = of("timed out after 30s");
        assert_eq!(fingerprint.as_str(), "9c8d84e27674");
        assert_eq!(Fingerprint::parse(&fingerprint.as_str().to_uppercase()).unwrap(), fingerprint);
        for bad in ["", "3fa9c1d07b2", "3fa9c1d07b2e0", "3fa9c1d07b2g", "höööööö"] {
            assert!(Fingerprint::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn no_text_brings_it_down() {
        for odd in ["'", "\"", "\\", "'\\", "“", "a'b'c", "::", "[", "/", "://", "@", "é\"é", "0\u{301}1", "-1 -2", "…", "C:\\x"] {
            of(odd);
            of(&odd.repeat(3_000));
        }
    }
}

//! What can be said of a text without understanding it: its first sentences, its words, its dates, its likely language.

/// Sentences longer than this are cut: a scan's text may have no full stop at all.
const SENTENCE_CHARS_MAX: usize = 240;
const DATES_MAX: usize = 20;

const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

/// Frequent words that are rare in the other languages here.
const LANGUAGES: [(&str, &[&str]); 4] = [
    ("en", &["the", "and", "of", "to", "is", "your", "for", "with"]),
    ("de", &["der", "die", "und", "das", "ist", "nicht", "mit", "ihre"]),
    ("fr", &["le", "les", "et", "des", "est", "vous", "une", "pour"]),
    ("es", &["el", "los", "y", "es", "usted", "una", "por", "con"]),
];

#[derive(Debug)]
pub(super) struct Facts {
    pub(super) sentences: Vec<String>,
    pub(super) words: usize,
    /// Each with the sentence it stands in.
    pub(super) dates: Vec<(String, String)>,
    pub(super) language: &'static str,
    pub(super) document_type: &'static str,
}

pub(super) fn of(text: &str) -> Facts {
    let text = without_markers(text);
    let sentences = sentences(&text);
    let words: Vec<String> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    let dates = sentences
        .iter()
        .flat_map(|sentence| dates(sentence).into_iter().map(move |date| (date, sentence.clone())))
        .take(DATES_MAX)
        .collect();
    let score = |list: &[&str]| words.iter().filter(|word| list.contains(&word.as_str())).count();
    let language = LANGUAGES.iter().max_by_key(|(name, list)| (score(list), *name == "en")).map_or("en", |(name, _)| name);
    let has = |word: &str| words.iter().any(|found| found == word);
    let document_type = match () {
        () if has("invoice") || has("rechnung") => "invoice",
        () if has("decision") || has("bescheid") => "decision",
        () if has("report") || has("bericht") => "report",
        () if has("dear") || has("sincerely") || has("geehrte") => "letter",
        () => "document",
    };
    Facts { sentences, words: words.len(), dates, language, document_type }
}

/// Lines that say where a page or the document begins are not of the document.
fn without_markers(text: &str) -> String {
    let is_marker = |line: &&str| line.starts_with("=====") || (line.starts_with("[page ") && line.ends_with(']'));
    text.lines().filter(|line| !is_marker(line)).collect::<Vec<_>>().join("\n")
}

fn sentences(text: &str) -> Vec<String> {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    flat.split_inclusive(['.', '!', '?'])
        .map(|sentence| sentence.trim().chars().take(SENTENCE_CHARS_MAX).collect::<String>())
        .filter(|sentence| sentence.chars().filter(|c| c.is_alphabetic()).count() >= 3)
        .collect()
}

/// `2026-11-21`, `21 November 2026` and `November 21, 2026`, all as `2026-11-21`.
fn dates(sentence: &str) -> Vec<String> {
    let words: Vec<&str> = sentence.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric())).collect();
    let iso = words.iter().filter(|word| is_iso_date(word)).map(|word| (*word).to_owned());
    let written = words.windows(3).filter_map(|three| {
        let (month, day) = month(three[1]).map(|month| (month, three[0])).or_else(|| month(three[0]).map(|month| (month, three[1])))?;
        let (day, year) = (day.parse::<u8>().ok()?, three[2].parse::<u16>().ok()?);
        ((1..=31).contains(&day) && (1900..2200).contains(&year)).then(|| format!("{year:04}-{month:02}-{day:02}"))
    });
    iso.chain(written).collect()
}

fn is_iso_date(word: &str) -> bool {
    word.len() == 10 && chrono::NaiveDate::parse_from_str(word, "%Y-%m-%d").is_ok()
}

fn month(word: &str) -> Option<usize> {
    MONTHS.iter().position(|month| *month == word.to_lowercase()).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_found_as_they_are_commonly_written() {
        let facts = of(
            "===== document begins 1 =====\n[page 1 of 1]\nDear Ada, the hearing is on 3 March 2027. Reply by 2026-12-01! It was filed May 5, 2026.",
        );
        let dates: Vec<&str> = facts.dates.iter().map(|(date, _)| date.as_str()).collect();
        assert_eq!(dates, ["2027-03-03", "2026-12-01", "2026-05-05"]);
        assert_eq!((facts.language, facts.document_type, facts.sentences.len()), ("en", "letter", 3));
    }
}

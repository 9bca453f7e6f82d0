//! Tesseract's table of words, put together as text.
//!
//! ```text
//! level page block par line word left top width height conf text      (parted by tabs; words are of level 5)
//! ```

use super::ocr::Recognized;

const PAGE_LEVEL: &str = "1";
const WORD_LEVEL: &str = "5";
const COLUMNS: usize = 12;

/// Words of a line are parted by spaces, lines by line ends, paragraphs by blank lines. Lines that are no words are passed over.
/// `None`: the page itself is not in the table, which is how tesseract ends when it had too little memory.
pub(super) fn read(table: &str) -> Option<Recognized> {
    let mut text = String::new();
    let mut last = None;
    let mut page_seen = false;
    let (mut words, mut sum) = (0_u32, 0.0);
    for row in table.lines() {
        let columns: Vec<&str> = row.splitn(COLUMNS, '\t').collect();
        page_seen |= columns[0] == PAGE_LEVEL;
        let [WORD_LEVEL, page, block, paragraph, line, _, _, _, _, _, confidence, word] = columns[..] else { continue };
        let word = word.trim();
        let Some(confidence) = confidence.parse::<f32>().ok().filter(|confidence| (0.0..=100.0).contains(confidence)) else { continue };
        if word.is_empty() {
            continue;
        }
        let place = ((page, block, paragraph), line);
        text.push_str(match last {
            None => "",
            Some(last) if last == place => " ",
            Some((paragraph, _)) if paragraph == place.0 => "\n",
            Some(_) => "\n\n",
        });
        text.push_str(word);
        last = Some(place);
        words += 1;
        sum += confidence;
    }
    let confidence = if words == 0 { 0.0 } else { sum / words as f32 };
    page_seen.then_some(Recognized { text, confidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_together_by_line_and_paragraph_and_their_confidence_is_the_mean() {
        let row = |place: &str, confidence: &str, word: &str| format!("5\t{place}\t0\t0\t9\t9\t{confidence}\t{word}\n");
        let table = [
            "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n".to_owned(),
            "1\t1\t0\t0\t0\t0\t0\t0\t9\t9\t-1\t\n".to_owned(),
            "4\t1\t1\t1\t1\t0\t0\t0\t9\t9\t-1\t\n".to_owned(),
            row("1\t1\t1\t1\t1", "90", "Dear"),
            row("1\t1\t1\t1\t2", "96.5", "Ada"),
            row("1\t1\t1\t2\t1", "80", "thank"),
            row("1\t1\t2\t1\t1", "95.5", "you"),
            row("1\t2\t1\t1\t1", "95", " "),
            row("1\t2\t1\t1\t1", "NaN", "lies"),
        ];
        let read = read(&table.concat());
        assert_eq!(read, Some(Recognized { text: "Dear Ada\nthank\n\nyou".into(), confidence: 90.5 }));
    }

    #[test]
    fn a_page_without_words_is_told_from_no_page() {
        assert_eq!(read("level\n1\t1\t0\n5\t1"), Some(Recognized { text: String::new(), confidence: 0.0 }));
        assert_eq!(read("level\n"), None);
    }
}

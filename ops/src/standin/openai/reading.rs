//! What the stand-in "reads" on a picture: the same words for the same bytes, so that a page that is read twice reads the same.

use super::request::Picture;

const WORDS_READ: usize = 12;

const WORDS: [&str; 32] = [
    "amber", "bridge", "candle", "doctor", "evening", "forest", "garden", "harbour", "island", "journey", "kitchen", "letter", "meadow",
    "number", "orange", "paper", "quiet", "river", "silver", "table", "under", "valley", "window", "yellow", "answer", "button", "corner",
    "danger", "engine", "father", "glass", "hospital",
];

pub(super) fn of(picture: &Picture) -> String {
    let digest = hex::decode(&picture.sha256).unwrap_or_default();
    let words: Vec<&str> = digest.iter().take(WORDS_READ).map(|byte| WORDS[usize::from(*byte) % WORDS.len()]).collect();
    format!("This page was read by a stand-in. It measures {} by {} pixels. It says {}.", picture.width, picture.height, words.join(" "))
}

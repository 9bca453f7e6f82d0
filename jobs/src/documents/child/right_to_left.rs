//! Lines of Hebrew or Arabic. A PDF draws them as they are seen, from left to right, that is from their end; here they are turned into the
//! order in which they are read.

use std::borrow::Cow;
use std::ops::Range;

/// The line as it is read, when it is given as it is seen. A line without such letters is left alone.
pub(super) fn as_read(line: &str) -> Cow<'_, str> {
    if !line.chars().any(is_right_to_left) {
        return Cow::Borrowed(line);
    }
    let mut letters: Vec<char> = line.chars().collect();
    let rightward = letters.iter().filter(|letter| is_left_to_right(**letter) && letter.is_alphabetic()).count();
    let leftward = letters.iter().filter(|letter| is_right_to_left(**letter)).count();
    if leftward >= rightward {
        // The line is Hebrew: all of it is turned, and numbers and Latin words in it are turned back.
        turn(&mut letters);
        for run in runs(&letters, is_left_to_right, is_right_to_left) {
            turn(&mut letters[run]);
        }
    } else {
        for run in runs(&letters, is_right_to_left, is_left_to_right) {
            turn(&mut letters[run]);
        }
    }
    Cow::Owned(letters.into_iter().collect())
}

fn is_right_to_left(letter: char) -> bool {
    matches!(letter, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}') && !letter.is_numeric()
}

fn is_left_to_right(letter: char) -> bool {
    letter.is_alphanumeric() && !is_right_to_left(letter)
}

/// The longest stretches from one letter of that kind to another, with none of the other kind between.
fn runs(letters: &[char], kind: fn(char) -> bool, other: fn(char) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    for (at, letter) in letters.iter().enumerate() {
        if kind(*letter) {
            match runs.last_mut() {
                Some(run) if open => run.end = at + 1,
                _ => runs.push(at..at + 1),
            }
            open = true;
        } else if other(*letter) {
            open = false;
        }
    }
    runs
}

/// Turned around, with brackets that open where they opened.
fn turn(letters: &mut [char]) {
    letters.reverse();
    for letter in letters {
        *letter = match *letter {
            '(' => ')',
            ')' => '(',
            '[' => ']',
            ']' => '[',
            other => other,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hebrew_is_turned_and_what_is_not_hebrew_is_not() {
        assert_eq!(as_read("Dear (Ada) 12"), "Dear (Ada) 12");
        let seen = |read: &str| read.chars().rev().collect::<String>();
        assert_eq!(as_read(&seen("שלום לך")), "שלום לך");
        assert_eq!(as_read(&format!("{} 1,284.50 {}", seen("שקל"), seen("סכום"))), "סכום 1,284.50 שקל");
        assert_eq!(as_read(&format!("The word {} means peace", seen("שלום"))), "The word שלום means peace");
    }
}

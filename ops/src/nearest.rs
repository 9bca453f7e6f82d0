//! Did you mean: the known name nearest to a mistyped one.

/// The nearest of the known names, if it is near enough to be meant: a third of its letters may differ.
pub(crate) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (distance(given, name), name))
        .filter(|(far, name)| *far <= name.chars().count().div_ceil(3))
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein: the fewest single-letter insertions, removals and changes.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_a_stranger_is_not() {
        let known = ["process_document", "process_renewals", "backup_database", "verify_backup"];
        let guess = |given| nearest(given, known.into_iter());
        assert_eq!(guess("proces_documents"), Some("process_document"));
        assert_eq!(guess("backup_databse"), Some("backup_database"));
        assert_eq!(guess("send_mail"), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}

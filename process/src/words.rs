//! An error with its causes as one line, without the repetitions that arise where an error's own words already hold its cause's.

/// The error and its causes, from the outermost to the innermost, each said once.
pub fn in_words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.ends_with(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn each_cause_is_said_once() {
        let refused = std::io::Error::other("connection refused");
        let outer = Err::<(), _>(sqlx::Error::Io(refused)).context("cannot read the outbox").unwrap_err();
        assert_eq!(in_words(&outer), "cannot read the outbox: error communicating with database: connection refused");
        assert_eq!(in_words(&anyhow::anyhow!("alone")), "alone");
    }
}

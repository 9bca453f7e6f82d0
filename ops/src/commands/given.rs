//! JSON that a command is given: as it is, in a file, or on standard input.

use anyhow::Context;
use serde_json::value::RawValue;

/// A JSON object: the text itself, `@FILE`, or `-` for standard input. `what` in words, as in "the arguments"; `example` as one types it.
///
/// # Errors
/// Names line and column of the first mistake.
pub(super) fn read_object(given: &str, what: &str, example: &str) -> anyhow::Result<Box<RawValue>> {
    let text = match given.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {what} from {path}"))?,
        None if given == "-" => {
            std::io::read_to_string(std::io::stdin()).with_context(|| format!("cannot read {what} from standard input"))?
        }
        None => given.to_owned(),
    };
    match serde_json::from_str::<Box<RawValue>>(&text) {
        Ok(value) if value.get().starts_with('{') => Ok(value),
        Ok(_) => anyhow::bail!("{what} must be a JSON object, as in {example}"),
        Err(error) => {
            let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
            let caret = " ".repeat(error.column().saturating_sub(1));
            anyhow::bail!("{what} are not JSON: {error}\n  {line}\n  {caret}^")
        }
    }
}

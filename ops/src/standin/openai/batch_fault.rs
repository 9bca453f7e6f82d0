//! What a batch may come to other than an answer for each of its lines.

use serde::{Deserialize, Serialize};

use super::fault::Fault;

/// On the wire: `"validation"`, `{"expired": {"answered": 3}}`, `{"lines": {"every": 2, "fault": "server_error"}}`, …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchFault {
    /// All of it is refused when its file is looked at.
    Validation,
    /// Its time is over when so many lines are answered.
    Expired { answered: usize },
    /// Every so-manieth line gets that instead of its answer.
    Lines { every: usize, fault: Fault },
    /// Every so-manieth line is in neither file.
    Missing { every: usize },
    /// Every so-manieth line of the output is no JSON.
    Garbled { every: usize },
}

impl BatchFault {
    /// Whether the line of this number (from 0) is one of `every` so many.
    pub(super) fn strikes(every: usize, number: usize) -> bool {
        (number + 1).is_multiple_of(every.max(1))
    }
}

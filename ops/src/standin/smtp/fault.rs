//! What can be scripted to go wrong.

use std::time::Duration;

/// How one conversation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 421 instead of a greeting.
    Busy,
    /// That answer to MAIL FROM.
    Sender(u16),
    /// That answer to RCPT TO: 550 no such mailbox, 450 come again.
    Recipient(u16),
    /// That answer to the text.
    Text(u16),
    /// The line is cut before the text is asked for.
    CutBeforeText,
    /// The text is taken and kept, and the line is cut before that is said.
    CutAfterText,
    /// The text is taken and kept, and the answer comes so late.
    Slow(Duration),
}

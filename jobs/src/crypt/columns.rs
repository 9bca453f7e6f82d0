//! Every column that is encrypted with FIELD_ENCRYPTION_KEYS.

/// A column of a table in the schema `celeriac` that holds Fernet tokens, or null. Its table has a primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptedColumn {
    pub table: &'static str,
    pub column: &'static str,
}

const fn column(table: &'static str, column: &'static str) -> EncryptedColumn {
    EncryptedColumn { table, column }
}

/// A column whose comment in the database speaks of a Fernet token, or says "encrypted like" another, must be here: a test looks.
pub const ENCRYPTED_COLUMNS: &[EncryptedColumn] = &[
    column("documents", "ai_summary"),
    column("document_pages", "text"),
    column("denial_letters", "details"),
    column("denied_conditions", "details"),
    column("paid_calls", "answer"),
    column("batched_questions", "request"),
];

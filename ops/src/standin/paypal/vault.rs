//! Saved payment methods: what becomes of a payment stands in the vault id itself.

use super::wire::Refusal;

/// What a payment method does when it is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Pays,
    /// An id that begins with `pending`: the money is on its way.
    PaysLater,
}

/// # Errors
/// An id that begins with `declined` is declined, one that begins with `gone` is unknown.
pub(super) fn look_up(vault_id: &str) -> Result<Method, Refusal> {
    match vault_id {
        id if id.starts_with("declined") => Err(Refusal::unprocessable(
            "INSTRUMENT_DECLINED",
            "The instrument presented was either declined by the processor or bank, or it can't be used for this payment.",
        )),
        id if id.starts_with("gone") => {
            Err(Refusal::unprocessable("TOKEN_ID_NOT_FOUND", "Specified token was not found. Verify the token and try the request again."))
        }
        id if id.starts_with("pending") => Ok(Method::PaysLater),
        _ => Ok(Method::Pays),
    }
}

//! Who calls the API: `Authorization: Bearer <key>` or `X-Api-Key: <key>`.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use secrecy::SecretString;

use super::Shared;
use crate::api_keys;
use crate::audit::Actor;
use crate::error::Error;

/// Longer than any key of ours.
const KEY_CHARS_MAX: usize = 200;

/// A caller with a valid key.
pub(super) struct Caller(pub(super) Actor);

impl FromRequestParts<Shared> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Error> {
        let key = given(parts).ok_or(Error::Unauthorized)?;
        let pool = shared.stores.postgres().await.map_err(Error::Unavailable)?;
        let owner = api_keys::owner(&pool, &key).await.map_err(|error| Error::Unavailable(error.into()))?;
        owner.map(Self).ok_or(Error::Unauthorized)
    }
}

fn given(parts: &Parts) -> Option<SecretString> {
    let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key)
    });
    let key = bearer.or_else(|| text(header::HeaderName::from_static("x-api-key")))?.trim();
    (1..=KEY_CHARS_MAX).contains(&key.len()).then(|| key.into())
}

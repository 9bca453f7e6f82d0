//! What the HTTP side answers when it does not do what was asked: `{"error": {"code", "message", "hint"}}`.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::actions::dead;
use crate::intake::Refused;

/// One variant a kind of answer. Details of our own failures are logged, never sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// 400: the request is not what its content type says.
    #[error("{0}")]
    Malformed(String),
    /// 401: no key, a wrong one or a revoked one.
    #[error("the API key is missing or not valid")]
    Unauthorized,
    /// 401, asking a browser for the console's password.
    #[error("the console asks for its password")]
    PasswordNeeded,
    /// 403: the console without a password answers only whoever calls it by a local name.
    #[error("this address is not one that the console answers without a password")]
    StrangeHost,
    /// 404: no such job.
    #[error("there is no job {0}")]
    NoSuchJob(String),
    /// 404: no such queue.
    #[error("there is no queue {0}")]
    NoSuchQueue(String),
    /// 404: no such batch.
    #[error("there is no batch {0} in that queue")]
    NoSuchBatch(String),
    /// 404: no such address.
    #[error("there is nothing at this address")]
    NoSuchPage,
    /// 405: the address is right, the method is not.
    #[error("this address does not take that method")]
    WrongMethod,
    /// 409: the id belongs to another job, or the job is not in the state that is asked for.
    #[error("{0}")]
    Conflict(String),
    /// 413: more than a job may carry.
    #[error("{0}")]
    TooLarge(String),
    /// 415: not `application/json`.
    #[error("the body must be JSON with the header Content-Type: application/json")]
    WrongMediaType,
    /// 422: well-formed, and something in it cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// 503: a store does not answer. Nothing is known to be done; repeating with the same id is safe.
    #[error("a store does not answer")]
    Unavailable(#[source] anyhow::Error),
    /// 500: a mistake of ours.
    #[error("something went wrong on our side")]
    Internal(#[source] anyhow::Error),
}

impl Error {
    fn parts(&self) -> (StatusCode, &'static str, Option<&'static str>) {
        match self {
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed", None),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                Some("send Authorization: Bearer <key> or X-Api-Key: <key>; make a key with: celeriac key create NAME"),
            ),
            Self::PasswordNeeded => (StatusCode::UNAUTHORIZED, "password_needed", Some("any user name, and CONSOLE_PASSWORD")),
            Self::StrangeHost => (
                StatusCode::FORBIDDEN,
                "strange_host",
                Some("set CONSOLE_PASSWORD to reach the console by other names than localhost, as through a proxy"),
            ),
            Self::NoSuchJob(_) => (StatusCode::NOT_FOUND, "no_such_job", Some("it never was, or its record has been pruned")),
            Self::NoSuchBatch(_) => {
                (StatusCode::NOT_FOUND, "no_such_batch", Some("it never was, or it has been forgotten: a day after its end"))
            }
            Self::NoSuchQueue(_) => (StatusCode::NOT_FOUND, "no_such_queue", Some("a queue is known from its first job on")),
            Self::NoSuchPage => (
                StatusCode::NOT_FOUND,
                "not_found",
                Some("there are /, /health/, /metrics, /api/v1/jobs, /api/v1/stats and /api/v1/queues/{queue}/dead, /limits and /keys"),
            ),
            Self::WrongMethod => {
                (StatusCode::METHOD_NOT_ALLOWED, "wrong_method", Some("each address and its methods stand in docs/web-apps.md"))
            }
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict", None),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", Some("store the data and pass its id")),
            Self::WrongMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_media_type", None),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", None),
            Self::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", Some("repeat later with the same id: it is enqueued once"))
            }
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", None),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code, hint) = self.parts();
        if let Self::Unavailable(source) | Self::Internal(source) = &self {
            tracing::error!(error = format!("{source:#}"), "{self}");
        }
        let body = Json(json!({ "error": { "code": code, "message": self.to_string(), "hint": hint } }));
        let mut response = (status, body).into_response();
        let challenge = match self {
            Self::Unauthorized => Some(HeaderValue::from_static("Bearer")),
            Self::PasswordNeeded => Some(HeaderValue::from_static("Basic realm=\"Celeriac\", charset=\"UTF-8\"")),
            Self::Unavailable(_) => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
                None
            }
            _ => None,
        };
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid(_) => Self::Invalid(refused.to_string()),
            Refused::TooLarge(_) => Self::TooLarge(refused.to_string()),
            Refused::Conflict { .. } => Self::Conflict(refused.to_string()),
            Refused::Store(source) => Self::Unavailable(source),
        }
    }
}

impl From<dead::Refused> for Error {
    fn from(refused: dead::Refused) -> Self {
        match refused {
            dead::Refused::NoSuchJob(id) => Self::NoSuchJob(id.to_string()),
            dead::Refused::NotDead { id, state } => Self::Conflict(format!("job {id} is not dead: it is {state}")),
            dead::Refused::TooManyAtOnce(_) => Self::Invalid(refused.to_string()),
            dead::Refused::Store(source) => Self::Unavailable(source),
        }
    }
}

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::MissingJsonContentType(_) => Self::WrongMediaType,
            JsonRejection::JsonSyntaxError(error) => Self::Malformed(format!("the body is not JSON: {}", error.body_text())),
            JsonRejection::JsonDataError(error) => Self::Invalid(error.body_text()),
            JsonRejection::BytesRejection(_) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Self::TooLarge(format!("the body is over the limit of {} bytes", super::http::BODY_BYTES_MAX))
            }
            other => Self::Malformed(other.body_text()),
        }
    }
}

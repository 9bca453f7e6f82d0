//! A stand-in for OpenAI's Responses API.
//!
//! Its answer is made from what it truly received: the first sentences, words and dates of the text, and the type, size in pixels and
//! digest of each picture. It judges nothing and understands nothing; it proves that the document arrived, in the form the model needs.
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/responses` | an answer valid under the request's JSON schema, or the next scripted fault |
//! | `GET /v1/models` | a list with the models that were asked for |
//! | `POST /control` | changes latency and script, see [`Control`] |
//! | `GET /control` | what happened so far, see [`Counters`] |

mod answer;
mod facts;
mod fault;
mod form;
mod request;
mod run;
mod server;

pub use fault::Fault;
pub use run::{StubArgs, run};
pub use server::{Control, Counters, OpenAiStub, Options, serve};

/// The one key that is refused. Any other is good.
pub const REFUSED_KEY: &str = "sk-invalid";

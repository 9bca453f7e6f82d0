//! A stand-in for OpenAI's Responses API and Batch API, with every failure that a caller must survive.
//!
//! Its answer is made from what it truly received: the first sentences, words and dates of the text, and the type, size in pixels and
//! digest of each picture. It judges nothing and understands nothing; it proves that the document arrived, in the form the model needs.
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/responses` | an answer valid under the request's JSON schema, or a fault: scripted, drawn by the fault rate, or the rate limit's |
//! | `GET /v1/models` | a list with the models that were asked for |
//! | `POST` and `GET /v1/files`, `GET` and `DELETE /v1/files/{id}`, `GET /v1/files/{id}/content` | files, kept in memory |
//! | `POST` and `GET /v1/batches`, `GET /v1/batches/{id}`, `POST /v1/batches/{id}/cancel` | batches of questions, see [`BatchFault`] |
//! | `POST /control` | changes what happens next, see [`Control`] |
//! | `GET /control` | what happened so far, see [`Counters`] |
//!
//! What it sends is checked against OpenAI's published schema by a test.

mod answer;
mod batch_fault;
mod batch_lines;
mod batches;
mod bodies;
mod chance;
mod control;
mod counters;
mod facts;
mod fault;
mod files;
mod form;
mod multipart;
mod quota;
mod reading;
mod refusals;
mod reply;
mod request;
mod respond;
mod run;
mod server;
mod state;

pub use batch_fault::BatchFault;
pub use control::{BatchLatency, Control, Options};
pub use counters::Counters;
pub use fault::Fault;
pub use run::{StubArgs, run};
pub use server::{OpenAiStub, serve};

/// The one key that is refused. Any other is good.
pub const REFUSED_KEY: &str = "sk-invalid";

//! `process_document` on a real PostgreSQL and Redis, with the real reading process, against the OpenAI stand-in.

mod completion;
mod confinement;
mod desk;
mod endings;
mod files;
mod overtaken;
mod paying;
mod refusals;

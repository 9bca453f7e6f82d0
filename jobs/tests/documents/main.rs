//! `process_document` on a real PostgreSQL and Redis, with the real reading process, against the OpenAI stand-in.

mod announced;
mod batching;
mod bucket;
mod completion;
mod confinement;
mod corpus;
mod desk;
mod endings;
mod files;
mod hostile;
mod in_a_bucket;
mod letters;
mod long;
mod memo;
mod outcomes;
mod overtaken;
mod pages;
mod paying;
mod purging;
mod reading;
mod recognizing;
mod refusals;
mod usage;

//! The OpenAI stand-in: what it sends is of OpenAI's published schema, and it fails in the ways it is told to.

mod batches;
mod caller;
mod faults;
mod limits;
mod published;
mod wire;

//! Facts about a whole worker on a real Redis. Each test has a key prefix of its own and removes it at the end.

mod batches;
mod chains;
mod harness;
mod leases;
mod order;
mod outages;
mod outbox;
mod outcomes;
mod stopping;
mod suspects;
mod testing;

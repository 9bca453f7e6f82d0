//! The moves of a job on a real Redis, one module a verb. Each test seeds a queue, makes one move and compares the whole state of the
//! queue, then makes the move a second time and with a wrong token. One binary, because linking is what takes the time.

#[path = "../support/mod.rs"]
mod support;

mod batch;
mod bury;
mod cancel;
mod chain;
mod claim;
mod complete;
mod concurrency;
mod dead;
mod delete;
mod encryption;
mod enqueue;
mod expire;
mod extend;
mod fairness;
mod guard;
mod hasten;
mod inspect;
mod lanes;
mod limits;
mod log;
mod memory;
mod memory_full;
mod model;
mod notices;
mod outage;
mod pause;
mod progress;
mod prune;
mod rate;
mod recover;
mod release;
mod requeue;
mod retry;
mod snooze;
mod steps;
mod suspects;
mod take_over;
mod transfers;
mod unique;
mod wait;
mod wake;

//! Whole-system tests: real processes on real servers, killed, stopped, cut off and emptied.

mod admission;
mod batches;
mod cluster;
mod crash;
mod documentation;
mod documents;
mod encryption;
mod load;
mod mail;
mod model_faults;
mod outage;
mod own_worker;
mod reconnect;
mod rotation;
mod schedulers;
mod sharing;
mod steps;
mod tls;
mod web_app;

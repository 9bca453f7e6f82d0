//! Real workers on a Redis of their own, in bad weather and in rolling deploys. `make chaos` runs the long version of the first.

mod batches;
mod deploy;
mod documents;
mod orphans;
mod weather;

//! The shared limits of the model on a real Redis, by a clock that the tests set.

mod desk;
mod learning;
mod money;
mod pace;

//! The harness of the cross-process tests: real stores, real processes, real signals.
//!
//! A [`System`] is one installation of its own (database, Redis prefix or whole Redis, folders, stand-ins) in which a test starts
//! workers and schedulers as processes, kills them, and looks at what is left. Tests wait with [`eventually()`], never by sleeping.

pub mod chaos;
pub mod crowd;
mod eventually;
pub mod naps;
mod process;
mod proxy;
pub mod samples;
mod system;
pub mod walks;

pub use eventually::eventually;
pub use process::{Process, Signal, program};
pub use proxy::Proxy;
pub use system::{System, SystemOptions};

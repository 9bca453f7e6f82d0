//! Where a parser panicked. Its message is not kept: it may quote the file.

use std::sync::{Arc, Mutex};

use super::message::ReadFault;

/// The place in source code of the last panic.
#[derive(Default, Clone)]
pub(super) struct CrashSite(Arc<Mutex<String>>);

impl CrashSite {
    /// From now on every panic of this process is remembered by its place and otherwise silent.
    pub(super) fn watch() -> Self {
        let site = Self::default();
        let remembered = site.clone();
        std::panic::set_hook(Box::new(move |panic| {
            if let (Ok(mut site), Some(location)) = (remembered.0.lock(), panic.location()) {
                *site = format!("{}:{}", location.file(), location.line());
            }
        }));
        site
    }

    pub(super) fn fault(&self) -> ReadFault {
        ReadFault::Crashed { at: self.0.lock().map_or_else(|_| String::new(), |site| site.clone()) }
    }
}

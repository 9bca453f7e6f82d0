//! Scripts of whoever builds on the engine: state of their own beside the queues, on the same connection.

use crate::{Connection, Error, Namespace, scripts};

/// A Lua script that answers with a list of texts. Its keys must carry one hash tag: they lie in one slot of a cluster.
#[derive(Debug)]
pub struct Script {
    name: &'static str,
    script: redis::Script,
}

impl Script {
    /// The name is for errors.
    pub fn new(name: &'static str, source: &str) -> Self {
        Self { name, script: redis::Script::new(source) }
    }

    /// Runs it, loading it where it is not known yet.
    ///
    /// # Errors
    /// [`Error::Redis`]; when the line broke it may have run.
    pub async fn run(&self, connection: &Connection, keys: &[String], arguments: &[String]) -> Result<Vec<String>, Error> {
        scripts::foreign(connection, self.name, &self.script, keys, arguments).await
    }
}

impl Namespace {
    /// `celeriac:{@<part>}:`: what keys beside the queues begin with. No queue can have such a name, so no key meets one of theirs.
    pub fn beside(&self, part: &str) -> String {
        format!("{}:{{@{part}}}:", self.as_str())
    }
}

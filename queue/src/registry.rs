//! From a wire name to the code that runs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::ids::check_job_name;
use crate::{Envelope, Job, JobContext, JobError, JobResult, Outcome, Policy};

/// One registered job type, its argument and state types erased.
pub trait Handler: Send + Sync {
    fn policy(&self) -> &Policy;
    /// Decodes the arguments and runs the body. Arguments that do not decode are buried with the reason.
    fn run(&self, envelope: &Envelope, ctx: JobContext) -> BoxFuture<'static, JobResult<serde_json::Value>>;
    /// Decodes the arguments and runs [`Job::on_terminal`]; arguments that do not decode have nothing to tell it and are passed over.
    fn on_terminal(&self, envelope: &Envelope, ctx: JobContext, outcome: Outcome) -> BoxFuture<'static, anyhow::Result<()>>;
}

/// The job types that a worker can run. Each keeps the state it was registered with, so that jobs of several libraries stand side by side.
#[derive(Clone, Default)]
pub struct Registry {
    handlers: BTreeMap<&'static str, Arc<dyn Handler>>,
}

impl Registry {
    pub fn new() -> Self {
        Self::default()
    }

    /// # Panics
    /// When the name is not a job name or is taken: a mistake in the program, found at its first start.
    #[must_use]
    pub fn with<J: Job>(mut self, state: J::State) -> Self {
        self.register::<J>(state);
        self
    }

    /// As [`Registry::with`], in place.
    ///
    /// # Panics
    /// When the name is not a job name or is taken.
    pub fn register<J: Job>(&mut self, state: J::State) {
        if let Err(error) = check_job_name(J::NAME) {
            panic!("{} cannot be registered: {error}", std::any::type_name::<J>());
        }
        let handler = Arc::new(Typed::<J> { state, policy: J::policy() });
        let before = self.handlers.insert(J::NAME, handler);
        assert!(before.is_none(), "two job types are named \"{}\"", J::NAME);
    }

    pub fn get(&self, name: &str) -> Option<&Arc<dyn Handler>> {
        self.handlers.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.handlers.keys().copied()
    }
}

/// What is wrong with the arguments, without quoting them: serde's own words may hold a value.
pub(crate) fn fault(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let what =
        if words.starts_with("missing field") { words.split(" at line ").next().unwrap_or_default() } else { "not what the job takes" };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

struct Typed<J: Job> {
    state: J::State,
    policy: Policy,
}

impl<J: Job> Handler for Typed<J> {
    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn run(&self, envelope: &Envelope, ctx: JobContext) -> BoxFuture<'static, JobResult<serde_json::Value>> {
        let decoded = serde_json::from_slice::<J>(&envelope.payload);
        let state = self.state.clone();
        Box::pin(async move {
            let job = decoded.map_err(|error| JobError::bury(format!("the arguments of {} cannot be read: {}", J::NAME, fault(&error))))?;
            let output = job.run(state, ctx).await?;
            serde_json::to_value(output)
                .map_err(|error| JobError::bury(format!("the output of {} cannot be written as JSON: {error}", J::NAME)))
        })
    }

    fn on_terminal(&self, envelope: &Envelope, ctx: JobContext, outcome: Outcome) -> BoxFuture<'static, anyhow::Result<()>> {
        let decoded = serde_json::from_slice::<J>(&envelope.payload);
        let state = self.state.clone();
        Box::pin(async move {
            match decoded {
                Ok(job) => job.on_terminal(state, ctx, outcome).await,
                Err(_) => Ok(()),
            }
        })
    }
}

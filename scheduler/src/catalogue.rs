//! What the scheduler knows of jobs: their names and policies, never their code.

use std::collections::BTreeMap;

use celeriac_queue::{Policy, QueueName};

/// The jobs Celeriac ships. A user's worker may have others: those go by the row alone, else to the queue `default`.
#[derive(Debug, Clone)]
pub struct Catalogue {
    policies: BTreeMap<String, Policy>,
}

impl Catalogue {
    /// The jobs of `celeriac-jobs`.
    pub fn shipped() -> Self {
        celeriac_jobs::catalog().into_iter().map(|job| (job.name.to_owned(), job.policy)).collect()
    }

    pub fn knows(&self, job: &str) -> bool {
        self.policies.contains_key(job)
    }

    pub(crate) fn queue_of(&self, job: &str) -> QueueName {
        self.policies.get(job).map_or_else(QueueName::default, |policy| policy.queue.clone())
    }

    pub(crate) fn priority_of(&self, job: &str) -> u8 {
        self.policies.get(job).map_or(Policy::DEFAULT_PRIORITY, |policy| policy.priority)
    }
}

impl FromIterator<(String, Policy)> for Catalogue {
    fn from_iter<I: IntoIterator<Item = (String, Policy)>>(jobs: I) -> Self {
        Self { policies: jobs.into_iter().collect() }
    }
}

//! A job that is not enqueued by itself: a link of a chain, a member of a batch, its callback.

use crate::client::check_payload;
use crate::ids::check_job_name;
use crate::{EnqueueOptions, Error, Job, Policy, QueueName};

pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) policy: Policy,
    pub(crate) options: EnqueueOptions,
}

impl Spec {
    /// What the job type says of itself stands where the options are silent.
    pub(crate) fn of<J: Job>(job: &J, mut options: EnqueueOptions) -> Result<Self, Error> {
        options.key = options.key.or_else(|| job.key());
        options.units = options.units.or_else(|| Some(job.units()).filter(|units| *units != 1));
        options.unique = options.unique.or_else(|| job.unique());
        let payload = serde_json::to_vec(job).map_err(|source| Error::Encode { job: J::NAME.to_owned(), source })?;
        Ok(Self { name: J::NAME.to_owned(), payload, policy: J::policy(), options })
    }

    pub(crate) fn queue(&self) -> &QueueName {
        self.options.queue.as_ref().unwrap_or(&self.policy.queue)
    }

    /// What its enqueue would refuse, before anything of the whole is written.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_job_name(&self.name)?;
        check_payload(&self.name, &self.payload)?;
        self.options.check()
    }

    /// `what` in words, as in "a later link of a chain".
    pub(crate) fn check_has_no_id(&self, what: &str) -> Result<(), Error> {
        if self.options.id.is_none() {
            return Ok(());
        }
        Err(Error::Refused(format!("{} was given an id, but the id of {what} is given by the whole: leave it out", self.name)))
    }

    /// What must not be refused when its time comes.
    pub(crate) fn check_is_not_unique(&self, what: &str) -> Result<(), Error> {
        if self.options.unique.is_none() {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "{} has a unique key, and so could be refused when its time comes: {what} must not have one; check inside the job instead",
            self.name
        )))
    }
}

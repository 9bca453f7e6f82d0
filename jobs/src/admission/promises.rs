//! Money for batches. Their answers are paid for when they are collected, up to a day after they were asked for; until then the budgets keep
//! back what they may cost. The ledger's tables say how much that is (`spent`), Redis has a copy.
//!
//! ```text
//!  promise (Redis: is there money?) ─▶ the batch is made (committed) ─▶ forget ··· its answers are settled (committed) ─▶ forget
//! ```
//!
//! After each commit the copy is forgotten, and the next request has the ledger asked: so nothing is counted twice, and what a crash leaves
//! wrong in between is too much, and goes with the copy's ten minutes.

use super::scripts::{self, Promised};
use super::{Admission, Budget, REBUILD_LOOK, REBUILD_LOOKS_MAX};

/// Questions that one script looks at.
const AT_ONCE: usize = 100;

/// A question that is about to go into a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    pub user_id: Option<i64>,
    /// Millionths of a US dollar, estimated rather too large.
    pub micro_usd: u64,
}

impl Admission {
    /// Keeps money back for as many of these as there is money for, in their order. The caller commits the batch and then calls
    /// [`Admission::forget`].
    ///
    /// # Errors
    /// When Redis does not answer, or PostgreSQL where Redis does not know what was spent.
    pub async fn promise(&self, offers: &[Offer]) -> anyhow::Result<Vec<bool>> {
        if !self.limits_money() {
            return Ok(vec![true; offers.len()]);
        }
        let mut each = Vec::with_capacity(offers.len());
        for some in offers.chunks(AT_ONCE) {
            each.extend(self.promise_some(some).await?);
        }
        Ok(each)
    }

    async fn promise_some(&self, offers: &[Offer]) -> anyhow::Result<Vec<bool>> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        // Each user among them may have to be asked about.
        for _ in 0..REBUILD_LOOKS_MAX as usize + offers.len() {
            match scripts::promise(self, &id, offers).await? {
                Promised::Each(each) => return Ok(each),
                Promised::Asked => tokio::time::sleep(REBUILD_LOOK).await,
                Promised::Unknown(unknown) => self.tell(unknown).await?,
            }
        }
        anyhow::bail!("the ledger was asked what was spent, and Redis has not taken the answer")
    }

    /// The ledger has changed in another way than by requests that were settled here. A failure is logged only: the copy in Redis is made
    /// anew after ten minutes.
    pub async fn forget(&self) {
        if !self.limits_money() {
            return;
        }
        if let Err(error) = scripts::forget(self).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "Redis could not be told that the ledger has changed; it asks it within ten minutes"
            );
        }
    }

    fn limits_money(&self) -> bool {
        Budget::ALL.into_iter().any(|budget| self.limits.budget(budget) > 0)
    }
}

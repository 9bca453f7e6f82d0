//! One run over everything that is due.

use chrono::NaiveDate;

use crate::exclusive::{Duty, exclusively};
use crate::payments::PaymentError;

use super::charge::{Failure, Outcome};
use super::due::{self, Renewal};
use super::ledger::{self, Begun};
use super::{ProcessRenewals, Renewals, Renewing};

/// After so many renewals in a row without an answer the provider is down, and waiting out the rest would only take hours.
const UNANSWERED_MAX: usize = 3;

/// Why a run ended before it was through. What it had settled stays settled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Two runs at once are not allowed.
    #[error("another run of process_renewals is at work")]
    Busy,
    #[error("{on} is still to come (in New York it is {today}): only a dry run may look ahead, set dry_run or leave out \"on\"")]
    TooEarly { on: NaiveDate, today: NaiveDate },
    /// Nothing can be charged before a person has changed a setting.
    #[error("{0}")]
    NotAllowed(String),
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

impl Renewing {
    /// Settles what earlier runs left open, then charges what is due; with `dry_run` only lists both.
    pub async fn run(&self, args: &ProcessRenewals) -> Result<Renewals, RunError> {
        let today = due::today(&self.pool).await?;
        let on = args.on.unwrap_or(today);
        if args.dry_run {
            return Ok(self.list(on).await?);
        }
        if on > today {
            return Err(RunError::TooEarly { on, today });
        }
        let mut run = Run { renewing: self, report: Renewals { on, ..Renewals::default() }, unanswered_in_a_row: 0 };
        exclusively(&self.pool, Duty::Renewals, run.all()).await?.ok_or(RunError::Busy)??;
        Ok(run.report)
    }

    async fn list(&self, on: NaiveDate) -> sqlx::Result<Renewals> {
        let unsettled = due::unsettled(&self.pool, None, self.limit()).await?;
        let due = due::due(&self.pool, on, self.limit()).await?;
        let total = unsettled.len() as u64 + due.first().map_or(0, |first| first.total.unsigned_abs());
        let mut would_charge: Vec<_> = unsettled.into_iter().map(Into::into).chain(due.into_iter().map(Into::into)).collect();
        would_charge.truncate(self.renewals_max as usize);
        Ok(Renewals { dry_run: true, on, left: total - would_charge.len() as u64, would_charge, ..Renewals::default() })
    }

    fn limit(&self) -> i64 {
        i64::from(self.renewals_max)
    }
}

/// A run under way.
struct Run<'a> {
    renewing: &'a Renewing,
    report: Renewals,
    unanswered_in_a_row: usize,
}

impl Run<'_> {
    async fn all(&mut self) -> Result<(), RunError> {
        let pool = &self.renewing.pool;
        let unsettled = due::unsettled(pool, None, self.renewing.limit()).await?;
        let mut due = due::due(pool, self.report.on, self.renewing.limit()).await?;
        let total = due.first().map_or(0, |first| first.total.unsigned_abs());
        due.truncate((self.renewing.renewals_max as usize).saturating_sub(unsettled.len()));
        self.report.left = total - due.len() as u64;
        for renewal in unsettled {
            self.one(renewal, true).await?;
            if self.provider_is_down() {
                return Ok(());
            }
        }
        for due in due {
            // Asked for again after the row is committed: what counts is what the ledger says.
            let Begun::Started(id) = ledger::begin(pool, due.subscription_id, due.period_start).await? else { continue };
            for renewal in due::unsettled(pool, Some(id), 1).await? {
                self.one(renewal, false).await?;
            }
            if self.provider_is_down() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn provider_is_down(&self) -> bool {
        self.unanswered_in_a_row >= UNANSWERED_MAX
    }

    /// # Errors
    /// Only what makes going on with the others pointless.
    async fn one(&mut self, mut renewal: Renewal, begun_earlier: bool) -> Result<(), RunError> {
        let was_unknown = begun_earlier && renewal.calls > 0 && renewal.provider_order_id.is_some();
        match self.renewing.charge(&mut renewal).await {
            Ok(outcome) => {
                self.unanswered_in_a_row = 0;
                self.count(outcome, was_unknown);
                tracing::info!(subscription.id = renewal.subscription_id, period = %renewal.period_start, ?outcome, "a renewal");
                Ok(())
            }
            Err(Failure::Sql(error)) => Err(error.into()),
            Err(failure) => self.set_aside(&renewal, failure).await,
        }
    }

    fn count(&mut self, outcome: Outcome, was_unknown: bool) {
        let report = &mut self.report;
        match outcome {
            Outcome::Charged => report.charged += 1,
            Outcome::Credited => report.credited += 1,
            Outcome::Declined => report.declined += 1,
            Outcome::Pending => report.pending += 1,
            Outcome::Overtaken => {}
        }
        if was_unknown && matches!(outcome, Outcome::Charged | Outcome::Declined) {
            report.unknown_resolved += 1;
        }
    }

    /// Leaves the renewal unsettled, says why beside it, and lets the others go on if they can.
    async fn set_aside(&mut self, renewal: &Renewal, failure: Failure) -> Result<(), RunError> {
        let sentence = failure.to_string();
        ledger::note_error(&self.renewing.pool, renewal.id, &sentence).await?;
        let named = format!("subscription {}, period {}: {sentence}", renewal.subscription_id, renewal.period_start);
        match failure {
            Failure::NoProvider | Failure::Payment(PaymentError::Unauthorized(_)) => return Err(RunError::NotAllowed(sentence)),
            Failure::Payment(PaymentError::NoAnswer(_)) => {
                self.unanswered_in_a_row += 1;
                self.report.unanswered.push(named);
            }
            _ => {
                self.unanswered_in_a_row = 0;
                self.report.for_a_person.push(named);
            }
        }
        Ok(())
    }
}

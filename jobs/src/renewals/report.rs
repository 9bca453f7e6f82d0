//! What a run of `process_renewals` did, or would do.

use chrono::NaiveDate;
use serde::Serialize;

/// The job's output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Renewals {
    pub dry_run: bool,
    /// Subscriptions due up to this day, in New York, were looked at.
    pub on: NaiveDate,
    /// Paid through the provider.
    pub charged: u64,
    /// Paid whole by referral credit.
    pub credited: u64,
    pub declined: u64,
    /// Taken by the provider, but not paid yet: a later run looks again.
    pub pending: u64,
    /// Charges whose answer an earlier run did not live to see, and which are settled now. Counted above too.
    pub unknown_resolved: u64,
    /// Due, but beyond what one run may charge.
    pub left: u64,
    /// What a dry run found.
    pub would_charge: Vec<WouldCharge>,
    /// Sentences: renewals that the provider did not answer for. They are tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unanswered: Vec<String>,
    /// Sentences: renewals that a person must look at. They are not charged meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub for_a_person: Vec<String>,
}

/// One subscription that a run would take up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WouldCharge {
    pub subscription_id: i64,
    pub period_start: NaiveDate,
    pub action: Action,
    /// Price of the period.
    pub amount_cents: i32,
    /// Of that, paid by referral credit.
    pub credit_cents: i32,
    /// Of that, charged.
    pub charge_cents: i32,
    pub currency: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Charge,
    /// Credit pays it whole.
    Credit,
    /// An earlier run began it; the provider is asked first.
    LookUp,
}

//! The paid-call ledger: a committed row before money is spent, its answer committed right after, so that a retry does not pay again.
//!
//! ```text
//!                      begin                 answered
//!   (no row) ─────────▶ started ─────────────▶ answered ──▶ begin finds the stored answer
//!                        │  ▲  ▲ begin: unknown outcome, repeated once
//!                        │  └──┘
//!                        │ refused, unusable
//!                        └──────────────────▶ failed ─────▶ begin: called again
//! ```
//!
//! A call that has time may wait in a batch instead (`batched`, see [`crate::batching`]); from there it goes to `answered` or to `failed`.
//!
//! A row left `started` says that nobody knows whether the provider was paid: the process died, or the line did. It is repeated once and
//! counted; the second time a person decides (replaying the dead job is that decision, see [`Ledger::leave_to_a_person`]).

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::crypt::FieldKeys;

/// What makes two calls the same call, whatever job makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallKey {
    pub subject: Subject,
    /// What the call is for, as in `analyze`.
    pub step: &'static str,
    /// 0 for a call about the whole subject.
    pub page: i32,
    pub prompt_version: &'static str,
    pub model: String,
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// As in `document`.
    pub kind: &'static str,
    pub id: i64,
}

/// Who makes a call.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub job_id: &'a str,
    /// Wire name of the job.
    pub job: &'static str,
    /// Whose work it is, when it is a user's.
    pub user_id: Option<i64>,
    /// When the run that asks began, by the database's clock.
    pub since: DateTime<Utc>,
}

/// What the ledger says to a job that wants to make a call.
#[derive(Debug)]
pub enum Call {
    /// Make it, and settle it with this permit.
    Make(Permit),
    /// It was made and paid for: here is the answer.
    Answered(StoredAnswer),
    /// Another job may be in the middle of it; ask again after that wait.
    UnderWay(Duration),
    /// It waits for a batch; see [`crate::batching`].
    Batched(Batched),
    /// Its outcome was lost twice: a person must decide.
    LostTwice,
    /// It was answered, and the answer deleted since the run began that asks: what it was for has ended.
    Over,
}

/// A call that waits for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batched {
    pub(crate) row: i64,
    pub(crate) number: i32,
}

/// The right to make one call. It must be settled by [`Ledger::answered`], [`Ledger::unusable`], [`Ledger::refused`] or [`Ledger::lost`];
/// dropped unsettled (a crash, a cancel) the outcome counts as unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    pub(crate) row: i64,
    /// Which call under this key it is; an older call that wakes up late cannot settle a newer one.
    pub number: i32,
    /// Whether an earlier call's outcome is unknown, so that this is the last try.
    pub is_repeat: bool,
}

/// An answer as it was paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    pub text: String,
    pub model: String,
    pub input_tokens: i32,
    pub output_tokens: i32,
}

/// What a call cost, whether or not its answer is of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    pub model: String,
    pub input_tokens: i32,
    pub output_tokens: i32,
    /// Millionths of a US dollar; `None` when the model has no known price.
    pub cost_micro_usd: Option<i64>,
    pub request_id: Option<String>,
    pub latency: Duration,
}

/// The table `celeriac.paid_calls`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger {
    pool: PgPool,
    keys: FieldKeys,
}

impl Ledger {
    pub fn new(pool: PgPool, keys: FieldKeys) -> Self {
        Self { pool, keys }
    }

    /// The answer to that question, if it was paid for before.
    ///
    /// # Errors
    /// As [`Ledger::begin`].
    pub async fn stored(&self, key: &CallKey, request_hash: &str) -> anyhow::Result<Option<StoredAnswer>> {
        let row = sqlx::query!(
            r#"select answer as "answer!", answered_model, input_tokens, output_tokens from celeriac.paid_calls
               where subject_kind = $1 and subject_id = $2 and step = $3 and page = $4 and prompt_version = $5 and model = $6
                 and state = 'answered' and request_hash = $7 and answer is not null"#,
            key.subject.kind,
            key.subject.id,
            key.step,
            key.page,
            key.prompt_version,
            key.model,
            request_hash
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| self.answer(key, &row.answer, row.answered_model, row.input_tokens, row.output_tokens)).transpose()
    }

    /// Asks for a call and, when it may be made, commits that it is about to be. `longest` is how long a call can take: a row that another
    /// job started less than that ago is waited for.
    ///
    /// # Errors
    /// When PostgreSQL does not answer, or a stored answer cannot be decrypted.
    pub async fn begin(&self, key: &CallKey, request_hash: &str, caller: &Caller<'_>, longest: Duration) -> anyhow::Result<Call> {
        let mut transaction = self.pool.begin().await?;
        let call = self.begin_in(&mut transaction, key, request_hash, caller, longest).await?;
        transaction.commit().await?;
        Ok(call)
    }

    /// As [`Ledger::begin`], in a transaction that the caller commits before the call is made.
    ///
    /// # Errors
    /// As [`Ledger::begin`].
    pub(crate) async fn begin_in(
        &self,
        transaction: &mut PgConnection,
        key: &CallKey,
        request_hash: &str,
        caller: &Caller<'_>,
        longest: Duration,
    ) -> anyhow::Result<Call> {
        let inserted = sqlx::query_scalar!(
            "insert into celeriac.paid_calls (subject_kind, subject_id, step, page, prompt_version, model, request_hash, job_id, job, user_id)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             on conflict (subject_kind, subject_id, step, page, prompt_version, model) do nothing
             returning id",
            key.subject.kind,
            key.subject.id,
            key.step,
            key.page,
            key.prompt_version,
            key.model,
            request_hash,
            caller.job_id,
            caller.job,
            caller.user_id
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(row) = inserted {
            return Ok(Call::Make(Permit { row, number: 1, is_repeat: false }));
        }
        let row = sqlx::query!(
            r#"select id, state, calls, unknown_outcomes, request_hash, job_id, answer, answered_model, input_tokens, output_tokens,
                      answer_deleted_at,
                      extract(epoch from clock_timestamp() - started_at)::float8 as "age_seconds!"
               from celeriac.paid_calls
               where subject_kind = $1 and subject_id = $2 and step = $3 and page = $4 and prompt_version = $5 and model = $6
               for update"#,
            key.subject.kind,
            key.subject.id,
            key.step,
            key.page,
            key.prompt_version,
            key.model
        )
        .fetch_one(&mut *transaction)
        .await?;
        if row.answer_deleted_at.is_some_and(|deleted_at| deleted_at >= caller.since) {
            return Ok(Call::Over);
        }
        let is_unknown = row.state == "started";
        // An answer to another question (the file was replaced) is no answer to this one.
        if let ("answered", Some(answer)) = (row.state.as_str(), &row.answer)
            && row.request_hash == request_hash
        {
            return self.answer(key, answer, row.answered_model, row.input_tokens, row.output_tokens).map(Call::Answered);
        }
        if row.state == "batched" {
            return Ok(Call::Batched(Batched { row: row.id, number: row.calls }));
        }
        let age = Duration::try_from_secs_f64(row.age_seconds).unwrap_or_default();
        if is_unknown && row.job_id != caller.job_id && age < longest {
            return Ok(Call::UnderWay(longest - age));
        }
        if is_unknown && row.unknown_outcomes >= 1 {
            return Ok(Call::LostTwice);
        }
        let number = sqlx::query_scalar!(
            "update celeriac.paid_calls
             set state = 'started', calls = calls + 1, unknown_outcomes = unknown_outcomes + $2, request_hash = $3, job_id = $4, job = $5,
                 user_id = $6, answer = null, answer_deleted_at = null, error = null, started_at = clock_timestamp(), settled_at = null
             where id = $1 returning calls",
            row.id,
            i32::from(is_unknown),
            request_hash,
            caller.job_id,
            caller.job,
            caller.user_id
        )
        .fetch_one(&mut *transaction)
        .await?;
        Ok(Call::Make(Permit { row: row.id, number, is_repeat: is_unknown }))
    }

    /// The provider answered, and the answer is of use. Call it before anything else is done with the answer. Returns it as it is stored:
    /// with the tokens of all calls it took.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn answered(&self, permit: &Permit, answer: &str, paid: &Paid) -> anyhow::Result<StoredAnswer> {
        let encrypted = Some(self.keys.encrypt(answer));
        let settlement = Settlement { state: "answered", answer: encrypted, paid: Some(paid), ..Settlement::default() };
        let totals = self.settle(permit, settlement).await?;
        let (text, model) = (answer.to_owned(), paid.model.clone());
        Ok(StoredAnswer { text, model, input_tokens: totals.input_tokens, output_tokens: totals.output_tokens })
    }

    /// The provider answered and is paid, but the answer is of no use. Returns how many such answers this call has had.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn unusable(&self, permit: &Permit, why: &str, paid: &Paid) -> anyhow::Result<i32> {
        let settlement = Settlement { state: "failed", error: Some(why), paid: Some(paid), unusable: 1, ..Settlement::default() };
        Ok(self.settle(permit, settlement).await?.unusable_answers)
    }

    /// The provider said no, or was never reached: nothing was bought.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn refused(&self, permit: &Permit, why: &str) -> anyhow::Result<()> {
        self.settle(permit, Settlement { state: "failed", error: Some(why), ..Settlement::default() }).await?;
        Ok(())
    }

    /// The question was sent and its answer did not arrive: the outcome is unknown, as after a crash.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn lost(&self, permit: &Permit, why: &str) -> anyhow::Result<()> {
        sqlx::query!(
            "update celeriac.paid_calls set error = $3 where id = $1 and calls = $2 and state = 'started'",
            permit.row,
            permit.number,
            why
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Called when the job of a subject is dead: calls whose outcome was lost twice may be made again, should a person replay the job.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn leave_to_a_person(&self, subject: Subject) -> anyhow::Result<()> {
        sqlx::query!(
            "update celeriac.paid_calls
             set state = 'failed', unknown_outcomes = unknown_outcomes + 1, settled_at = now(),
                 error = coalesce(error, 'the process ended before the answer was stored')
             where subject_kind = $1 and subject_id = $2 and state = 'started' and unknown_outcomes >= 1",
            subject.kind,
            subject.id
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Deletes the stored answers of a step, which may repeat a document's text, in the caller's transaction; what they were for, their
    /// digests and their cost stay. Asked again, such a call is made and paid for again.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn forget_answers(transaction: &mut PgConnection, subject: Subject, step: &str) -> sqlx::Result<()> {
        sqlx::query!(
            "update celeriac.paid_calls set answer = null, answer_deleted_at = now()
             where subject_kind = $1 and subject_id = $2 and step = $3 and answer is not null",
            subject.kind,
            subject.id,
            step
        )
        .execute(transaction)
        .await?;
        Ok(())
    }

    /// What every call about the subject has used, input and output, as far as it is known.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn tokens_of(transaction: &mut PgConnection, subject: Subject) -> sqlx::Result<i32> {
        let tokens = sqlx::query_scalar!(
            r#"select coalesce(sum(coalesce(input_tokens, 0)::bigint + coalesce(output_tokens, 0)), 0)::bigint as "tokens!"
               from celeriac.paid_calls where subject_kind = $1 and subject_id = $2"#,
            subject.kind,
            subject.id
        );
        Ok(i32::try_from(tokens.fetch_one(transaction).await?).unwrap_or(i32::MAX))
    }

    fn answer(
        &self,
        key: &CallKey,
        encrypted: &str,
        model: Option<String>,
        input_tokens: Option<i32>,
        output_tokens: Option<i32>,
    ) -> anyhow::Result<StoredAnswer> {
        Ok(StoredAnswer {
            text: self.keys.decrypt(encrypted)?,
            model: model.unwrap_or_else(|| key.model.clone()),
            input_tokens: input_tokens.unwrap_or(0),
            output_tokens: output_tokens.unwrap_or(0),
        })
    }

    async fn settle(&self, permit: &Permit, settlement: Settlement<'_>) -> anyhow::Result<Totals> {
        let Settlement { state, answer, error, paid, unusable } = settlement;
        let settled = sqlx::query_as!(
            Totals,
            r#"with receipt as (
                 insert into celeriac.paid_answers (call_id, number, job, user_id, model, state, input_tokens, output_tokens, cost_usd,
                                                    provider_request_id, latency_ms)
                 select id, $2, job, user_id, model, $3, $9::int, $10::int, $11::bigint / 1000000.0, $7, $8
                 from celeriac.paid_calls where id = $1 and $9 is not null
                 on conflict do nothing)
             update celeriac.paid_calls
             set state = $3, answer = $4, error = $5, answered_model = $6, provider_request_id = $7, latency_ms = $8,
                 input_tokens = case when $9::int is null then input_tokens else coalesce(input_tokens, 0) + $9 end,
                 output_tokens = case when $10::int is null then output_tokens else coalesce(output_tokens, 0) + $10 end,
                 cost_usd = case when $11::bigint is null then cost_usd else coalesce(cost_usd, 0) + $11 / 1000000.0 end,
                 unusable_answers = unusable_answers + $12, settled_at = now()
             where id = $1 and calls = $2 and state = 'started'
             returning unusable_answers, coalesce(input_tokens, 0) as "input_tokens!", coalesce(output_tokens, 0) as "output_tokens!""#,
            permit.row,
            permit.number,
            state,
            answer,
            error,
            paid.map(|paid| paid.model.as_str()),
            paid.and_then(|paid| paid.request_id.as_deref()),
            paid.map(|paid| i64::try_from(paid.latency.as_millis()).unwrap_or(i64::MAX)),
            paid.map(|paid| paid.input_tokens),
            paid.map(|paid| paid.output_tokens),
            paid.and_then(|paid| paid.cost_micro_usd),
            unusable
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(settled.unwrap_or_else(|| {
            tracing::warn!(call = permit.row, "a newer call has taken this one's place in the ledger; its answer is dropped");
            let tokens = |count: fn(&Paid) -> i32| paid.map_or(0, count);
            let (input_tokens, output_tokens) = (tokens(|paid| paid.input_tokens), tokens(|paid| paid.output_tokens));
            Totals { unusable_answers: unusable, input_tokens, output_tokens }
        }))
    }
}

/// What all calls under one key came to.
struct Totals {
    unusable_answers: i32,
    input_tokens: i32,
    output_tokens: i32,
}

/// How a call ended.
#[derive(Default)]
struct Settlement<'a> {
    state: &'static str,
    /// Encrypted.
    answer: Option<String>,
    error: Option<&'a str>,
    paid: Option<&'a Paid>,
    unusable: i32,
}

//! The body of `send_document_ready_email`.

use celeriac_process::Settings;
use celeriac_queue::{Job, JobContext, JobError, JobResult, Policy};
use sqlx::PgPool;

use super::rows::{self, End, Recipient};
use super::server::{Conversation, NotSent};
use super::{Announcing, MailConfig, Mailing, NAME, Report, SendDocumentReadyEmail, Told, message, policy};
use crate::checkpoint::checkpoint;

impl Mailing {
    pub(crate) fn from_settings(settings: &Settings, pool: PgPool) -> anyhow::Result<Self> {
        Ok(Self { pool, config: MailConfig::from_settings(settings)? })
    }

    /// Whether completed documents are announced.
    pub fn announcing(&self) -> Announcing {
        if self.config.is_some() { Announcing::ByMail } else { Announcing::Off }
    }
}

impl Job for SendDocumentReadyEmail {
    const NAME: &'static str = NAME;
    type State = Mailing;
    type Output = Report;

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, state: Mailing, ctx: JobContext) -> JobResult<Report> {
        let document_id = self.document_id;
        let report = |outcome, fresh| Ok(Report { document_id, outcome, fresh });
        if let Some(earlier) = rows::earlier(&state.pool, document_id).await? {
            return report(earlier, false);
        }
        let Some(recipient) = rows::recipient(&state.pool, document_id).await? else { return report(Told::Skipped, true) };
        let Some(config) = &state.config else {
            return Err(JobError::PauseQueue("EMAIL_HOST is not set, so no mail can be sent: set it and restart the workers".into()));
        };
        report(send(&state, config, document_id, &recipient, &ctx).await?, true)
    }
}

/// A mail for that recipient, up to the server's answer.
async fn send(state: &Mailing, config: &MailConfig, document_id: i64, recipient: &Recipient, ctx: &JobContext) -> JobResult<Told> {
    let (pool, user_id, job_id) = (&state.pool, recipient.user_id, ctx.id().as_str());
    // Nothing of the address in the reason: it is kept with the job, in Redis.
    let mail = message::document_ready(config, document_id, recipient).map_err(|_| JobError::bury("the user's address is no address"))?;
    let conversation = match Conversation::begin(config, &mail_address(&mail)).await {
        Ok(conversation) => conversation,
        Err(NotSent::Refused { code }) => {
            rows::refuse(pool, document_id, user_id, job_id, code).await?;
            return Ok(refused(document_id, code));
        }
        Err(other) => return Err(job_error(other)),
    };
    checkpoint("mail.before_row").await;
    let Some(permit) = rows::begin(pool, document_id, user_id, job_id).await? else {
        // Another run of this document's mail was faster: its row tells what became of it.
        return Ok(rows::earlier(pool, document_id).await?.unwrap_or(Told::Unknown));
    };
    checkpoint("mail.before_text").await;
    let handed_over = conversation.hand_over(&mail).await;
    checkpoint("mail.after_text").await;
    match handed_over {
        Ok(()) => {
            rows::settle(pool, permit, End::Sent).await?;
            tracing::info!(document.id = document_id, "the user was told that the document is ready");
            Ok(Told::Sent)
        }
        Err(NotSent::Refused { code }) => {
            rows::settle(pool, permit, End::Refused(code)).await?;
            Ok(refused(document_id, code))
        }
        Err(NotSent::Unknown { reason }) => {
            rows::settle(pool, permit, End::Unknown).await?;
            tracing::warn!(document.id = document_id, reason, "nobody knows whether a mail was sent; it is not sent again");
            Ok(Told::Unknown)
        }
        Err(other) => {
            let code = if let NotSent::Postponed { code, .. } = &other { *code } else { None };
            rows::settle(pool, permit, End::Postponed(code)).await?;
            Err(job_error(other))
        }
    }
}

fn mail_address(mail: &lettre::Message) -> lettre::Address {
    mail.envelope().to().first().cloned().expect("the mail was given one recipient")
}

fn refused(document_id: i64, code: u16) -> Told {
    tracing::warn!(document.id = document_id, code, "the mail server takes no mail for the user's address");
    Told::Refused
}

fn job_error(not_sent: NotSent) -> JobError {
    match not_sent {
        NotSent::Operator { reason } => JobError::PauseQueue(reason.into()),
        NotSent::Postponed { reason, .. } | NotSent::Unknown { reason } => JobError::Retry(anyhow::Error::msg(reason)),
        NotSent::Refused { code } => JobError::bury(format!("the mail server answered {code}")),
    }
}

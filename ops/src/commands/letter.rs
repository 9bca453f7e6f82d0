//! `celeriac letter`: what decode_denial_letter found in a document.

use anyhow::Context;
use celeriac_jobs::crypt::FieldKeys;
use celeriac_jobs::denial_letters;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::human::{clock, took};
use crate::reply::Reply;
use crate::stores::Stores;
use crate::views::letters;

#[derive(Debug, Subcommand)]
pub(crate) enum Letter {
    /// Have a document taken apart that refuses something: enqueue decode_denial_letter, through the outbox.
    Decode {
        /// The document's number.
        id: i64,
    },
    /// Show what was found; it is decrypted with FIELD_ENCRYPTION_KEYS.
    Show {
        /// The document's number.
        id: i64,
    },
}

impl Letter {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        match self {
            Self::Decode { id } => decode(stores, id).await,
            Self::Show { id } => show(stores, id).await,
        }
    }
}

async fn decode(stores: &Stores, id: i64) -> anyhow::Result<Reply> {
    let job_id = sqlx::query_scalar!(
        r#"select celeriac.enqueue($1, $2, origin => 'cli') as "id!" from celeriac.documents where id = $3 and deleted_at is null"#,
        denial_letters::NAME,
        json!({ "document_id": id }),
        id
    );
    let job_id = job_id.fetch_optional(&stores.postgres().await?).await?.with_context(|| format!("there is no document {id}"))?;
    let line = format!("Its job {job_id} is in the outbox.\nFollow it with: celeriac letter show {id}");
    Ok(Reply::of(&json!({ "document_id": id, "job_id": job_id })).line(line))
}

async fn show(stores: &Stores, id: i64) -> anyhow::Result<Reply> {
    let letter = letters::find(&stores.postgres().await?, id).await?;
    let letter =
        letter.with_context(|| format!("document {id} was not given to {}: `celeriac letter decode {id}` does", denial_letters::NAME))?;
    let keys = stores.settings().list("FIELD_ENCRYPTION_KEYS");
    let (mut details, mut conditions, mut remark) = (Value::Null, Vec::new(), None);
    if let Some(token) = &letter.details {
        if keys.is_empty() {
            remark = Some("what was found cannot be shown: FIELD_ENCRYPTION_KEYS is not set".to_owned());
        } else {
            let keys = FieldKeys::new(&keys)?;
            let open = |token: &String| -> anyhow::Result<Value> { Ok(serde_json::from_str(&keys.decrypt(token)?)?) };
            details = open(token)?;
            conditions = letter.denied.iter().map(open).collect::<anyhow::Result<_>>()?;
        }
    }
    let mut pairs = vec![("document", id.to_string()), ("status", letter.status.clone())];
    let mut add = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
    add("error", letter.error_message.clone());
    add("ended", letter.completed_at.map(clock));
    add("took", letter.processing_ms.map(|ms| took(ms.unsigned_abs())));
    add("asked", letter.strategy.clone());
    add("model", letter.model_used.clone());
    add("tokens", letter.tokens_used.map(|count| count.to_string()));
    add("decided", letter.decision_date.map(|date| date.to_string()));
    add("contest by", letter.appeal_deadline.map(|date| date.to_string()));
    add("letter", (!details.is_null()).then(|| format!("{details:#}")));
    add("denied", (!conditions.is_empty()).then(|| format!("{:#}", Value::from(conditions.clone()))));
    let shown = json!({ "letter": &letter, "details": details, "denied_conditions": conditions });
    Ok(Reply::of(&shown).pairs(pairs).note(remark))
}

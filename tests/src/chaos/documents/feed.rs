//! Documents come in as long as workers are struck: always some more than can be worked on.

use anyhow::Result;
use celeriac_ops::standin::openai::Control;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::PgPool;
use tokio::time::sleep;

use super::studies::STUDIES;
use super::{Ground, LOOK, USERS};
use crate::samples;

/// Jobs that have not ended, at least.
const UNFINISHED_MIN: i64 = 8;
/// The letter is the usual case; two cannot be read at all.
const SAMPLES: [&str; 12] = [
    "denial_letter.pdf",
    "scanned_letter.pdf",
    "denial_letter.pdf",
    "statement.png",
    "denial_letter.pdf",
    "letter_photo.jpg",
    "fax.tiff",
    "statement.png",
    "denial_letter.pdf",
    "scanned_letter.pdf",
    "encrypted.pdf",
    "broken.pdf",
];
/// Answers take that long at most, so that workers are struck inside the call too.
const LATENCY_MS_MAX: u64 = 250;

/// Until the last strike is done.
pub(super) async fn run(ground: &Ground) -> Result<()> {
    // A stream of its own: how fast documents are needed is not for the seed to say.
    let mut random = StdRng::seed_from_u64(!ground.seed);
    let mut uploaded = 0_i64;
    while !ground.is_over() {
        ground.system.openai.control(Control { latency_ms: Some(random.random_range(0..LATENCY_MS_MAX)), ..Control::default() });
        for _ in unfinished(&ground.system.pool).await?..UNFINISHED_MIN {
            let name = SAMPLES[random.random_range(0..SAMPLES.len())];
            upload(ground, name, uploaded).await?;
            uploaded += 1;
        }
        sleep(LOOK).await;
    }
    Ok(())
}

async fn upload(ground: &Ground, name: &str, number: i64) -> Result<()> {
    // Each file is another, so that no answer about one serves for two. Behind its end, no reader looks.
    let bytes = [&samples::bytes(name)[..], format!("\n{number}\n").as_bytes()].concat();
    let document = ground.system.upload(number % USERS, name, &bytes).await;
    // The first job has been enqueued with the upload.
    for study in &STUDIES[1..] {
        let enqueue = sqlx::query("select celeriac.enqueue($1, jsonb_build_object('document_id', $2::bigint))");
        enqueue.bind(study.job).bind(document).execute(&ground.system.pool).await?;
    }
    Ok(())
}

/// Jobs that have not ended.
pub(super) async fn unfinished(pool: &PgPool) -> Result<i64> {
    Ok(sqlx::query_scalar("select count(*) from celeriac.outbox where done_at is null").fetch_one(pool).await?)
}

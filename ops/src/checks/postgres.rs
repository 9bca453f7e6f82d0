//! PostgreSQL: reachable, and with the schema that this version expects.

use celeriac_process::in_words;

use super::Finding;
use crate::human::plural;
use crate::stores::Stores;

const ABOUT: &str = "postgres";
/// `pg_current_xact_id()` came with it.
const VERSION_MIN: i32 = 130_000;

pub(super) async fn check(stores: &Stores) -> Vec<Finding> {
    if stores.settings().maybe("DATABASE_URL").is_none() {
        return Vec::new();
    }
    let pool = match stores.postgres().await {
        Ok(pool) => pool,
        Err(error) => {
            let hint = "start PostgreSQL, or mend DATABASE_URL (?sslmode=require for TLS)";
            return vec![Finding::problem(ABOUT, in_words(&error), hint)];
        }
    };
    let read = async { anyhow::Ok((server_version(&pool).await?, celeriac_migrations::status(&pool).await?)) };
    let ((number, text), migrations) = match read.await {
        Ok(read) => read,
        Err(error) => return vec![Finding::problem(ABOUT, in_words(&error), "see PostgreSQL's log")],
    };
    let version = match number >= VERSION_MIN {
        true => Finding::ok(ABOUT, format!("PostgreSQL {text} answers")),
        false => Finding::problem(ABOUT, format!("PostgreSQL {text} is too old"), "use 13 or newer"),
    };
    let missing = migrations.iter().filter(|migration| migration.applied_at.is_none()).count() as u64;
    let ahead = migrations.iter().filter(|migration| !migration.known).count() as u64;
    let schema = match (missing, ahead) {
        (0, 0) => Finding::ok(ABOUT, "the schema is up to date"),
        (0, _) => Finding::warning(
            ABOUT,
            format!("the schema is {} ahead of this version", plural(ahead, "migration", "migrations")),
            "that is as it should be after a rollback; upgrade when you can",
        ),
        _ => {
            Finding::problem(ABOUT, format!("the schema lacks {}", plural(missing, "migration", "migrations")), "run `celeriac migrate up`")
        }
    };
    vec![version, schema]
}

/// As a number (170004) and as text (17.4).
pub(super) async fn server_version(pool: &sqlx::PgPool) -> sqlx::Result<(i32, String)> {
    let row =
        sqlx::query!(r#"select current_setting('server_version_num')::int as "number!", current_setting('server_version') as "text!""#);
    let row = row.fetch_one(pool).await?;
    Ok((row.number, row.text))
}

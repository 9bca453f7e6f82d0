//! Schedules with their last run, and the history of runs.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

/// A schedule whose moment passed by more than this many seconds without a firing is overdue.
pub(crate) const OVERDUE_SECONDS: i64 = 60;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ScheduleRow {
    pub(crate) name: String,
    pub(crate) cron: Option<String>,
    pub(crate) every_seconds: Option<i32>,
    pub(crate) time_zone: String,
    pub(crate) job: String,
    pub(crate) enabled: bool,
    /// `file`: kept equal to schedules.toml; `person`: edited here.
    pub(crate) source: String,
    pub(crate) next_at: Option<DateTime<Utc>>,
    pub(crate) overdue_seconds: Option<i64>,
    pub(crate) last_instant: Option<DateTime<Utc>>,
    pub(crate) last_reason: Option<String>,
    pub(crate) last_finished_at: Option<DateTime<Utc>>,
    /// `None` while the last run is unfinished.
    pub(crate) last_outcome: Option<String>,
    pub(crate) last_error: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunRow {
    pub(crate) schedule: String,
    pub(crate) instant: DateTime<Utc>,
    pub(crate) reason: String,
    pub(crate) job_id: Option<String>,
    pub(crate) fired_at: DateTime<Utc>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) outcome: Option<String>,
    pub(crate) error: Option<String>,
}

/// All schedules by name, each with its newest run.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn all(pool: &PgPool) -> sqlx::Result<Vec<ScheduleRow>> {
    let rows = sqlx::query_as!(
        ScheduleRow,
        r#"select s.name, s.cron, s.every_seconds, s.time_zone, s.job, s.enabled, s.source, s.next_at,
                  case when s.enabled and s.next_at < now() - make_interval(secs => $1::float8)
                       then extract(epoch from now() - s.next_at)::bigint end as overdue_seconds,
                  r.instant as "last_instant?", r.reason as "last_reason?", r.finished_at as last_finished_at,
                  r.outcome as last_outcome, r.error as last_error
           from celeriac.schedules s
           left join lateral (select * from celeriac.schedule_runs r where r.schedule = s.name order by r.instant desc limit 1) r on true
           order by s.name"#,
        OVERDUE_SECONDS as f64
    );
    rows.fetch_all(pool).await
}

/// Runs, newest first; of one schedule or of all.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn history(pool: &PgPool, name: Option<&str>, limit: i64) -> sqlx::Result<Vec<RunRow>> {
    let rows = sqlx::query_as!(
        RunRow,
        "select schedule, instant, reason, job_id, fired_at, finished_at, outcome, error from celeriac.schedule_runs
         where $1::text is null or schedule = $1 order by instant desc, id desc limit $2",
        name,
        limit
    );
    rows.fetch_all(pool).await
}

impl ScheduleRow {
    /// `0 3 * * * America/New_York`, or `every 300 s`
    pub(crate) fn when(&self) -> String {
        match (&self.cron, self.every_seconds) {
            (Some(cron), _) if self.time_zone == "UTC" => format!("{cron} UTC"),
            (Some(cron), _) => format!("{cron} {}", self.time_zone),
            (None, Some(seconds)) => format!("every {}", crate::human::span(seconds.unsigned_abs().into())),
            (None, None) => "–".into(),
        }
    }

    /// The newest run's end in a word: finished, dead, …, `running` while it has none.
    pub(crate) fn last_word(&self) -> Option<&str> {
        self.last_instant.map(|_| match self.last_reason.as_deref() {
            Some("skipped_overlap") => "skipped",
            _ => self.last_outcome.as_deref().unwrap_or("running"),
        })
    }
}

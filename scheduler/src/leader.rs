//! One leader among several schedulers, by a lease in PostgreSQL and its clock.
//!
//! The lease only saves work: correctness rests on the unique key of `celeriac.schedule_runs`, so a leader that sleeps past its lease
//! and wakes does no harm.

use std::time::{Duration, Instant};

use anyhow::Context;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::pace::Pace;

/// The row's name in `celeriac.leases`.
pub(crate) const LEASE_NAME: &str = "scheduler";
/// A stopping scheduler gives the lease back, but does not wait longer for that.
const RELEASE_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderConfig {
    /// How long a leader may be silent before another takes over; it renews every third of it.
    pub lease: Duration,
}

/// Takes, keeps and gives back the lease.
pub struct Leader {
    config: LeaderConfig,
    pool: PgPool,
    holder: String,
    leading: watch::Sender<bool>,
}

/// What an attempt to take or renew the lease found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderReport {
    pub leading: bool,
    /// Who holds the lease; `None` when it was given back in this moment.
    pub holder: Option<String>,
    /// How long the lease still runs.
    pub remaining: Duration,
}

impl Leader {
    pub fn new(config: LeaderConfig, pool: PgPool) -> Self {
        Self { config, pool, holder: holder_name(), leading: watch::Sender::new(false) }
    }

    /// Whether this scheduler leads, as it changes.
    pub fn leading(&self) -> watch::Receiver<bool> {
        self.leading.subscribe()
    }

    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Takes the lease if it is free, renews it if it is ours.
    ///
    /// # Errors
    /// When PostgreSQL fails; whether this scheduler leads then stays as it was.
    pub async fn run_once(&self) -> anyhow::Result<LeaderReport> {
        let taken = sqlx::query_scalar!(
            "insert into celeriac.leases as l (name, holder, expires_at)
             values ($1, $2, clock_timestamp() + make_interval(secs => $3))
             on conflict (name) do update set holder = excluded.holder, expires_at = clock_timestamp() + make_interval(secs => $3)
             where l.holder = excluded.holder or l.expires_at <= clock_timestamp()
             returning holder",
            LEASE_NAME,
            self.holder,
            self.config.lease.as_secs_f64(),
        )
        .fetch_optional(&self.pool)
        .await
        .context("cannot renew the scheduler's lease")?;
        let report = match taken {
            Some(holder) => LeaderReport { leading: true, holder: Some(holder), remaining: self.config.lease },
            None => self.other().await?,
        };
        self.leading.send_if_modified(|leading| std::mem::replace(leading, report.leading) != report.leading);
        Ok(report)
    }

    /// Keeps the lease, or waits for it, until stopped; then gives it back.
    pub async fn run(self, stop: CancellationToken) {
        let mut pace = Pace::new("holding the scheduler's lease", stop);
        let mut ours_until = Instant::now();
        loop {
            let asked = Instant::now();
            let was_leading = *self.leading.borrow();
            let pass = self.run_once().await;
            match &pass {
                Ok(report) if report.leading => ours_until = asked + self.config.lease,
                // It may have run out while PostgreSQL could not be asked: assume that another leads.
                Err(_) if Instant::now() >= ours_until => drop(self.leading.send_replace(false)),
                _ => {}
            }
            self.tell(was_leading, pass.as_ref().ok());
            let third = self.config.lease / 3;
            let rest = pass.map(|report| if report.leading { third } else { third.min(report.remaining + Duration::from_millis(20)) });
            if !pace.rest(rest).await {
                break;
            }
        }
        self.leading.send_replace(false);
        if let Ok(Err(error)) = tokio::time::timeout(RELEASE_MAX, self.release()).await {
            tracing::info!(%error, "the lease could not be given back: another scheduler leads when it has run out");
        }
    }

    /// Gives the lease back if it is ours, so that a follower need not wait for its end.
    pub async fn release(&self) -> anyhow::Result<()> {
        sqlx::query!("delete from celeriac.leases where name = $1 and holder = $2", LEASE_NAME, self.holder).execute(&self.pool).await?;
        Ok(())
    }

    async fn other(&self) -> anyhow::Result<LeaderReport> {
        let row = sqlx::query!(
            r#"select holder, extract(epoch from expires_at - clock_timestamp())::float8 as "seconds!" from celeriac.leases where name = $1"#,
            LEASE_NAME
        )
        .fetch_optional(&self.pool)
        .await?;
        let seconds = row.as_ref().map_or(0.0, |row| row.seconds);
        let remaining = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Ok(LeaderReport { leading: false, holder: row.map(|row| row.holder), remaining })
    }

    fn tell(&self, was_leading: bool, report: Option<&LeaderReport>) {
        let now_leading = *self.leading.borrow();
        if now_leading && !was_leading {
            tracing::info!(holder = self.holder, "this scheduler leads now");
        } else if was_leading && !now_leading {
            let other = report.and_then(|report| report.holder.as_deref());
            tracing::warn!(holder = self.holder, other, "this scheduler no longer leads");
        }
    }
}

/// Resolves to true once this scheduler leads, to false when it should stop first.
pub(crate) async fn until_leading(leading: &mut watch::Receiver<bool>, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        // The leader's end closes the channel; the token follows.
        led = leading.wait_for(|leading| *leading) => led.is_ok(),
    }
}

/// `<host>:<process id>:<random>`, new at every start.
fn holder_name() -> String {
    let host = std::env::var("HOSTNAME").ok().or_else(|| std::fs::read_to_string("/etc/hostname").ok()).unwrap_or_default();
    let host: String = host.trim().chars().filter(char::is_ascii_graphic).take(60).collect();
    let host = if host.is_empty() { "scheduler".to_owned() } else { host };
    format!("{host}:{}:{:08x}", std::process::id(), rand::random::<u32>())
}

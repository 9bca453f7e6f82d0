//! The scheduler as a whole: seeds the schedules, then runs its duties until stopped.
//!
//! ```text
//!  every scheduler:  leader (lease)     relay  <── wake ── listen (LISTEN celeriac_outbox)
//!                      │ leading?         ^
//!  the leader only:    └─> firing, heal, prune     (firing and heal notify through PostgreSQL, so any relay may answer)
//! ```
//! It stops in this order: firing, heal, prune and relay finish the pass they are in; then the lease is given back, so that no follower
//! takes over while this process still fires.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use celeriac_process::Settings;
use celeriac_queue::Client;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::firing::{Firing, FiringConfig};
use crate::heal::{Heal, HealConfig};
use crate::identity::RedisIdentity;
use crate::leader::{Leader, LeaderConfig};
use crate::listen::listen;
use crate::pace::Pace;
use crate::prune::{Prune, PruneConfig};
use crate::relay::{Relay, RelayConfig};
use crate::schedules::{self, FileSchedule, ScheduleErrors};
use crate::{Catalogue, seed};

/// What a scheduler process runs by.
#[derive(Debug, Clone)]
pub struct SchedulerConfig {
    pub leader: LeaderConfig,
    pub relay: RelayConfig,
    pub firing: FiringConfig,
    pub heal: HealConfig,
    pub prune: PruneConfig,
    /// Jobs whose queue and priority are known here.
    pub catalogue: Catalogue,
    /// What to seed the database with; `None`: fire what it has.
    pub schedules: Option<Vec<FileSchedule>>,
}

impl SchedulerConfig {
    /// From SCHEDULER_LEASE, RELAY_SWEEP and SCHEDULES_FILE, with the jobs that Celeriac ships.
    ///
    /// # Errors
    /// All mistakes of the schedules file.
    pub fn from_settings(settings: &Settings) -> Result<Self, ScheduleErrors> {
        Ok(Self {
            leader: LeaderConfig { lease: settings.duration("SCHEDULER_LEASE") },
            relay: RelayConfig { sweep: settings.duration("RELAY_SWEEP") },
            firing: FiringConfig::default(),
            heal: HealConfig::default(),
            prune: PruneConfig { keep_audit: settings.duration("AUDIT_LOG_KEEP"), ..PruneConfig::default() },
            catalogue: Catalogue::shipped(),
            schedules: settings.maybe_path("SCHEDULES_FILE").map(|path| schedules::read(&path)).transpose()?,
        })
    }
}

/// A scheduler process.
pub struct Scheduler {
    config: SchedulerConfig,
    pool: PgPool,
    client: Client,
}

impl Scheduler {
    pub fn new(config: SchedulerConfig, pool: PgPool, client: Client) -> Self {
        Self { config, pool, client }
    }

    /// Runs until `stop` resolves. A store that is down is waited for.
    ///
    /// # Errors
    /// When a duty ended by a panic: a supervisor should start the process anew.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let stopping = CancellationToken::new();
        let lease_over = CancellationToken::new();
        let running = self.run_duties(&stopping, &lease_over);
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => return ended,
            () = stop => tracing::info!("stopping: the duties finish what they are at"),
        }
        stopping.cancel();
        running.await
    }

    async fn run_duties(self, stopping: &CancellationToken, lease_over: &CancellationToken) -> anyhow::Result<()> {
        if !self.seed(stopping).await {
            return Ok(());
        }
        let Self { config, pool, client } = self;
        let connection = client.connection().clone();
        let identity = Arc::new(RedisIdentity::new(connection.clone()));
        let wake = Arc::new(Notify::new());
        let leader = Leader::new(config.leader, pool.clone());
        let leading = leader.leading();

        let mut duties = JoinSet::new();
        let firing = Firing::new(config.firing, pool.clone());
        duties.spawn(firing.run(leading.clone(), stopping.clone()));
        let heal = Heal::with_identity(config.heal, pool.clone(), connection.clone(), identity.clone());
        duties.spawn(heal.run(leading.clone(), stopping.clone()));
        duties.spawn(Prune::new(config.prune, pool.clone()).run(leading, stopping.clone()));
        let relay = Relay::with_identity(config.relay, pool.clone(), connection, config.catalogue, identity);
        duties.spawn(relay.run(wake.clone(), stopping.clone()));
        duties.spawn(listen(pool, wake, stopping.clone()));
        let lease = tokio::spawn(leader.run(lease_over.clone()));

        let ended = all_ended(duties, stopping).await;
        lease_over.cancel();
        lease.await.map_err(|panic| anyhow!("the duty that holds the lease ended by itself: {panic}"))?;
        ended
    }

    /// False when the scheduler should stop before PostgreSQL answered.
    async fn seed(&self, stop: &CancellationToken) -> bool {
        let Some(schedules) = &self.config.schedules else { return true };
        let mut pace = Pace::new("seeding the schedules", stop.clone());
        loop {
            let pass = seed(&self.pool, schedules).await;
            let seeded = pass.is_ok();
            if let Ok(report) = &pass {
                seed::tell(report, schedules, &self.config.catalogue);
            }
            if !pace.rest(pass.map(|_| Duration::ZERO)).await {
                return false;
            }
            if seeded {
                return true;
            }
        }
    }
}

/// Waits for the duties. The first that ends before its time ends them all.
async fn all_ended(mut duties: JoinSet<()>, stopping: &CancellationToken) -> anyhow::Result<()> {
    let mut ended = Ok(());
    while let Some(duty) = duties.join_next().await {
        if let Err(panic) = duty {
            ended = Err(anyhow!("a duty of the scheduler ended by itself: {panic}"));
        }
        stopping.cancel();
    }
    ended
}

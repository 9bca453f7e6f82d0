//! Workers at work behind a network that can be broken, and what must be true of them afterwards.

use std::collections::BTreeMap;
use std::path::PathBuf;

use celeriac_ops::devstack::{Persistence, RedisOptions, RedisServer};
use celeriac_queue::{Client, EnqueueOptions, Inspector, Job, JobId, Namespace, QueueName, RedisConfig, State};
use celeriac_tests::naps::{Nap, runs};
use celeriac_tests::{Process, Proxy, System, SystemOptions, eventually};
use serde_json::Value;

/// Jobs that run through the trouble.
pub(crate) const LONG: usize = 8;
/// Jobs that come and go meanwhile.
const SHORT: usize = 600;
const SHORT_MS: u64 = 50;
/// So that short ones run beside the long ones.
const SLOTS: usize = 12;

/// One installation; its processes reach Redis through the proxy, the test goes there directly.
pub(crate) struct Scene {
    // First, so that they can still be quoted when the folder with their logs goes.
    workers: Vec<Process>,
    pub(crate) system: System,
    pub(crate) redis: RedisServer,
    pub(crate) proxy: Proxy,
    journal: PathBuf,
}

impl Scene {
    /// With the long jobs running and the short ones under way.
    pub(crate) async fn start(persistence: Persistence, workers: usize, lease: &str, long_ms: u64) -> Self {
        let own_redis = Some(RedisOptions { persistence, tls: None, in_cluster: false });
        let mut system = System::with(SystemOptions { own_redis, ..SystemOptions::default() }).await;
        let redis = system.own_redis.take().unwrap();
        let proxy = Proxy::to(redis.port()).await;
        system.set("REDIS_URL", proxy.redis_url());
        system.set("WORKER_LEASE", lease);
        system.set("WORKER_QUEUES", "default");
        system.set("WORKER_CONCURRENCY", (SLOTS / workers).to_string());
        let journal = system.folder().join("journal");
        let workers = (0..workers).map(|_| system.process("napping-worker", &[])).collect();
        let scene = Self { system, redis, proxy, workers, journal };
        scene.enqueue("long", LONG, long_ms).await;
        eventually("the long jobs run", async || scene.began(LONG)).await;
        for _ in 0..SHORT / 200 {
            scene.enqueue("short", 200, SHORT_MS).await;
        }
        eventually("some short ones have run", async || scene.began(LONG + 50)).await;
        scene
    }

    async fn enqueue(&self, kind: &str, count: usize, duration_ms: u64) {
        let nap = serde_json::to_vec(&Nap { journal: self.journal.clone(), duration_ms }).unwrap();
        let id = |_| JobId::parse(&format!("{kind}-{}", JobId::generate())).ok();
        let job = |number| (Nap::NAME.to_owned(), nap.clone(), EnqueueOptions { id: id(number), ..EnqueueOptions::default() });
        self.system.client.enqueue_many(&QueueName::default(), (0..count).map(job).collect(), &Nap::policy()).await.unwrap();
    }

    fn began(&self, at_least: usize) -> Result<(), usize> {
        let count = runs(&self.journal).len();
        if count >= at_least { Ok(()) } else { Err(count) }
    }

    /// Waits until more short jobs have begun than now.
    pub(crate) async fn goes_on(&self) {
        let now = runs(&self.journal).len();
        eventually("more jobs run", async || self.began((now + 20).min(LONG + SHORT))).await;
    }

    /// Another server is in charge from now on; returns the one before. New connections go there, those there are stay where they are.
    pub(crate) async fn hand_over_to(&mut self, redis: RedisServer) -> RedisServer {
        self.system.client = self.client_of(&redis).await;
        self.proxy.retarget(redis.port());
        std::mem::replace(&mut self.redis, redis)
    }

    async fn client_of(&self, redis: &RedisServer) -> Client {
        let mut config = RedisConfig::new(redis.url());
        config.namespace = Namespace::parse(&self.system.environment["REDIS_PREFIX"]).unwrap();
        Client::connect(&config).await.unwrap()
    }

    /// Jobs that have begun and of whose end a server has not heard; of some perhaps not even that they were handed out.
    pub(crate) async fn begun_and_not_ended_in(&self, redis: &RedisServer) -> usize {
        let inspector = Inspector::new(self.client_of(redis).await.connection().clone());
        let mut count = 0;
        for id in runs(&self.journal).keys() {
            let job = inspector.job(&QueueName::default(), &JobId::parse(id).unwrap()).await;
            count += usize::from(job.is_ok_and(|job| matches!(job.state, State::Ready | State::Running)));
        }
        count
    }

    /// Every worker says that this duty fails.
    pub(crate) async fn workers_say(&self, duty: &str) {
        eventually(&format!("every worker says that {duty} fails"), async || {
            if self.workers.iter().all(|worker| complaints(&worker.log()).contains_key(duty)) { Ok(()) } else { Err(()) }
        })
        .await;
    }

    /// All jobs have run, at most `again_max` of the short ones twice and none of the long; every worker waits and listens again at the
    /// server in charge, has said of each duty no more often than there were `troubles` that it fails, and each time that it works again; and
    /// all are alive.
    pub(crate) async fn all_well(self, troubles: usize, again_max: usize) {
        eventually("everything has run", async || self.began(LONG + SHORT)).await;
        eventually("nothing is left", async || self.system.is_quiet().await).await;
        let runs = runs(&self.journal);
        let twice = |kind: &str| runs.iter().filter(|(id, runs)| id.starts_with(kind) && **runs > 1).count();
        assert_eq!(twice("long"), 0, "jobs that ran through the trouble were run again: {runs:?}");
        assert!(twice("short") <= again_max, "{} short jobs ran again, at most {again_max} may", twice("short"));

        eventually("every worker waits and listens", async || {
            let seen = waiting_and_listening(&self.redis).await;
            if seen == (self.workers.len(), self.workers.len()) { Ok(()) } else { Err(seen) }
        })
        .await;
        for worker in &self.workers {
            let said = eventually("the worker says that everything works again", async || {
                let said = complaints(&worker.log());
                if said.values().all(|said| said.begun == said.ended) { Ok(said) } else { Err(said) }
            })
            .await;
            assert_eq!(said.is_empty(), troubles == 0, "of {troubles} troubles was said: {said:?}");
            assert!(said.values().all(|said| said.begun <= troubles), "said more than once a trouble: {said:?}");
        }
        for worker in self.workers {
            assert!(worker.stop().await.success(), "a worker had died, or did not stop in good order");
        }
        assert_eq!(self.system.leftovers().await, Vec::<String>::new());
        self.system.finish().await;
    }
}

/// Waits until `celeriac health` complains of a check in these words.
pub(crate) async fn health_says(system: &System, check: &str, words: &str) {
    eventually(&format!("health says of {check}: {words}"), async || {
        let (_, out, err) = system.celeriac(&["health", "--json"]).await;
        let Ok(report) = serde_json::from_str::<Value>(&out) else { return Err(out + &err) };
        let said = report["checks"][check].clone();
        if said["status"] != "healthy" && said["message"].as_str().unwrap_or_default().contains(words) {
            Ok(())
        } else {
            Err(said.to_string())
        }
    })
    .await;
}

/// How often a worker said of a duty that it fails and that it works again.
#[derive(Debug, Default)]
struct Said {
    begun: usize,
    ended: usize,
}

/// By duty.
fn complaints(log: &str) -> BTreeMap<String, Said> {
    let mut said: BTreeMap<String, Said> = BTreeMap::new();
    for line in log.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let message = event["message"].as_str().unwrap_or_default();
        if let Some(duty) = message.strip_suffix(" fails; trying on") {
            said.entry(duty.to_owned()).or_default().begun += 1;
        } else if let Some(duty) = message.strip_suffix(" works again") {
            said.entry(duty.to_owned()).or_default().ended += 1;
        }
    }
    said
}

/// How many clients of a server wait for a wake-up, and how many listen for cancellations.
async fn waiting_and_listening(redis: &RedisServer) -> (usize, usize) {
    let info: String = command(redis, "INFO clients").await;
    let blocked = info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).unwrap().trim().parse().unwrap();
    let listening: String = command(redis, "CLIENT LIST TYPE pubsub").await;
    (blocked, listening.lines().count())
}

/// Says something to a server.
pub(crate) async fn command<T: redis::FromRedisValue>(redis: &RedisServer, words: &str) -> T {
    let mut line = redis::Client::open(redis.plain_url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let (name, arguments) = words.split_once(' ').unwrap_or((words, ""));
    redis::cmd(name).arg(arguments.split_whitespace().collect::<Vec<_>>()).query_async(&mut line).await.unwrap()
}

//! On a Redis Cluster of three nodes: queues on each of them, served at once; nodes that die, come back, and hand their slots over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use celeriac_ops::devstack::{Persistence, RedisCluster, RedisOptions};
use celeriac_queue::{
    Backoff, Cancelled, Client, Connection, EnqueueOptions, Enqueued, Error, Inspector, Job, JobContext, JobError, JobId, JobResult,
    LeaseConfig, Pause, Policy, QueueName, RedisConfig, Registry, State, Workers,
};
use celeriac_tests::{System, SystemOptions, eventually, samples};
use celeriac_worker::{Stop, Worker, WorkerConfig};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

const LONG: Duration = Duration::from_secs(60);
/// Of each worker.
const SLOTS: usize = 8;
/// A lease that may run out in a test.
const SHORT: Duration = Duration::from_secs(3);

/// Finishes, at once or at its second attempt.
#[derive(Serialize, Deserialize)]
struct Note {
    fails_first: bool,
}

impl Job for Note {
    const NAME: &'static str = "note";
    type State = Arc<AtomicUsize>;
    type Output = u32;

    /// Its second attempt comes at once: what a test waits for is a node.
    fn policy() -> Policy {
        Policy { backoff: Backoff { base: Duration::from_millis(10), ..Backoff::default() }, ..Policy::default() }
    }

    async fn run(self, runs: Arc<AtomicUsize>, ctx: JobContext) -> JobResult<u32> {
        runs.fetch_add(1, Ordering::SeqCst);
        if self.fails_first && ctx.attempt() == 1 {
            return Err(JobError::Retry(anyhow::anyhow!("not yet")));
        }
        Ok(ctx.attempt())
    }
}

/// Never ends by itself.
#[derive(Serialize, Deserialize)]
struct Sleep;

impl Job for Sleep {
    const NAME: &'static str = "sleep";
    type State = ();
    type Output = ();

    async fn run(self, _: (), ctx: JobContext) -> JobResult<()> {
        ctx.progress(50.0, "asleep").await;
        std::future::pending().await
    }
}

/// Ends when the gate is opened for it.
#[derive(Serialize, Deserialize)]
struct AtTheGate;

impl Job for AtTheGate {
    const NAME: &'static str = "at_the_gate";
    type State = Arc<Gate>;
    type Output = ();

    async fn run(self, gate: Arc<Gate>, _: JobContext) -> JobResult<()> {
        gate.arrived.fetch_add(1, Ordering::SeqCst);
        gate.open.acquire().await.unwrap().forget();
        Ok(())
    }
}

struct Gate {
    arrived: AtomicUsize,
    open: Semaphore,
}

/// Three queues, one on each master, on a cluster of one's own.
struct Stage {
    cluster: RedisCluster,
    connection: Connection,
    client: Client,
    inspector: Inspector,
    queues: [QueueName; 3],
    runs: Arc<AtomicUsize>,
    gate: Arc<Gate>,
}

impl Stage {
    async fn new(options: RedisOptions) -> Self {
        celeriac_process::connect::install_tls();
        let cluster = RedisCluster::start(options.clone()).await.unwrap();
        let mut config = RedisConfig::new(cluster.url());
        config.ca_file = options.tls.map(|tls| tls.authority);
        let connection = Connection::open(&config).await.unwrap();
        let mut asked = redis::Client::open(cluster.node(0).plain_url()).unwrap().get_connection().unwrap();
        let mut queues = [const { None }; 3];
        for name in (0..).map(|number| format!("q{number}")) {
            let slot = redis::cmd("CLUSTER").arg("KEYSLOT").arg(format!("celeriac:{{{name}}}:jobs")).query(&mut asked).unwrap();
            queues[RedisCluster::master_of(slot)].get_or_insert(QueueName::parse(&name).unwrap());
            if queues.iter().all(Option::is_some) {
                break;
            }
        }
        let (client, inspector) = (Client::new(connection.clone()), Inspector::new(connection.clone()));
        let gate = Arc::new(Gate { arrived: AtomicUsize::new(0), open: Semaphore::new(0) });
        Self { cluster, connection, client, inspector, queues: queues.map(Option::unwrap), runs: Arc::default(), gate }
    }

    /// With a connection of its own, as a process of its own would have.
    async fn worker(&self, label: &str, lease: Duration) -> Running {
        self.worker_that_waits(label, lease, RedisConfig::new(self.cluster.url())).await
    }

    async fn worker_that_waits(&self, label: &str, lease: Duration, waits: RedisConfig) -> Running {
        let config = WorkerConfig {
            queues: self.queues.to_vec(),
            concurrency: SLOTS,
            lease: LeaseConfig { lease, ..LeaseConfig::default() },
            grace: Duration::from_secs(5),
            host: label.to_owned(),
            ..WorkerConfig::default()
        };
        let registry = Registry::new().with::<Note>(Arc::clone(&self.runs)).with::<Sleep>(()).with::<AtTheGate>(Arc::clone(&self.gate));
        let stop = Stop::new();
        let connection = Connection::open(&waits).await.unwrap();
        let worker = Worker::with(connection, None, registry, config);
        Running { task: tokio::spawn(worker.run(stop.clone())), stop }
    }

    async fn put<J: Job>(&self, queue: &QueueName, job: &J) -> Enqueued {
        let options = EnqueueOptions { queue: Some(queue.clone()), keep: Some(LONG), ..EnqueueOptions::default() };
        self.client.enqueue_with(job, options).await.unwrap()
    }

    /// Notes with ids of their own, repeated until Redis has taken them.
    async fn put_many(&self, queue: &QueueName, label: &str, count: usize) {
        let policy = Policy { keep: LONG, ..Note::policy() };
        let job = |number: usize| {
            let id = JobId::parse(&format!("{label}-{number}")).unwrap();
            let note = Note { fails_first: number.is_multiple_of(10) };
            ("note".to_owned(), serde_json::to_vec(&note).unwrap(), EnqueueOptions { id: Some(id), ..EnqueueOptions::default() })
        };
        eventually("the jobs are enqueued", || self.client.enqueue_many(queue, (0..count).map(job).collect(), &policy)).await;
    }

    async fn finished(&self, queue: &QueueName, count: u64) {
        eventually(&format!("{count} of {queue} finished"), || async {
            match self.inspector.queue(queue).await {
                Ok(view) if view.finished == count && view.ready + view.scheduled + view.running == 0 => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        })
        .await;
    }

    /// Waits until the other nodes agree that one has failed.
    async fn given_up(&self) {
        eventually("the dead node is given up", || async {
            let info = self.ask(0, redis::cmd("CLUSTER").arg("INFO")).await;
            if info.contains("cluster_slots_fail:0") { Err(info) } else { Ok(()) }
        })
        .await;
    }

    async fn process_of(&self, node: usize) -> Pid {
        let info = self.ask(node, redis::cmd("INFO").arg("server")).await;
        let id = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
        Pid::from_raw(id.parse().unwrap()).unwrap()
    }

    async fn ask(&self, node: usize, question: &redis::Cmd) -> String {
        let client = redis::Client::open(self.cluster.node(node).plain_url()).unwrap();
        question.query_async(&mut client.get_multiplexed_async_connection().await.unwrap()).await.unwrap()
    }

    async fn in_state(&self, job: &Enqueued, state: State) {
        eventually(&format!("{} is {state}", job.id), || async {
            match self.inspector.job(&job.queue, &job.id).await {
                Ok(view) if view.state == state => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        })
        .await;
    }
}

struct Running {
    task: JoinHandle<anyhow::Result<()>>,
    stop: Stop,
}

impl Running {
    async fn stop(self) {
        self.stop.trigger();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_serve_queues_on_three_nodes_with_every_move() {
    let stage = Stage::new(RedisOptions::default()).await;
    // Long leases: what is seen within seconds was not a heartbeat's or a lost lease's doing.
    let workers = [stage.worker("one", LONG).await, stage.worker("two", LONG).await];
    eventually("both workers are announced", || async {
        let cards = Workers::new(stage.connection.clone()).list().await.unwrap();
        if cards.len() == 2 { Ok(()) } else { Err(cards) }
    })
    .await;
    for queue in &stage.queues {
        // Both have looked and found nothing: from now on only a token wakes them in time.
        tokio::time::timeout(Duration::from_secs(5), async {
            let note = stage.put(queue, &Note { fails_first: false }).await;
            assert_eq!(stage.client.wait(queue, &note.id, LONG).await.unwrap().output.unwrap(), 1);
        })
        .await
        .unwrap_or_else(|_| panic!("nobody was woken for {queue}"));
        stage.put_many(queue, "bulk", 100).await;
    }
    for queue in &stage.queues {
        stage.finished(queue, 101).await;
        assert_eq!(stage.inspector.queue(queue).await.unwrap().moves["retried"], 10);
    }
    assert_eq!(stage.runs.load(Ordering::SeqCst), 3 * (101 + 10));

    let sleepers = futures::future::join_all(stage.queues.iter().map(|queue| stage.put(queue, &Sleep))).await;
    for sleeper in &sleepers {
        stage.in_state(sleeper, State::Running).await;
        eventually("its progress is seen", || async {
            stage.inspector.job(&sleeper.queue, &sleeper.id).await.unwrap().progress.map(drop).ok_or("none")
        })
        .await;
        let asked = Instant::now();
        assert_eq!(stage.client.cancel(&sleeper.queue, &sleeper.id, "ada").await.unwrap(), Cancelled::Asked);
        assert_eq!(stage.client.wait(&sleeper.queue, &sleeper.id, LONG).await.unwrap().state, State::Cancelled);
        assert!(asked.elapsed() < LONG / 4, "the cancellation was heard of by a heartbeat only");
    }

    let [queue, ..] = &stage.queues;
    let pause = Pause { reason: "tea".into(), by: "ada".into(), at: 0, resume_at: None, cause: None };
    stage.client.pause(queue, &pause).await.unwrap();
    let held = stage.put(queue, &Note { fails_first: false }).await;
    assert_eq!(stage.inspector.queue(queue).await.unwrap().paused, Some(pause));
    assert!(stage.client.resume(queue).await.unwrap());
    assert_eq!(stage.client.wait(queue, &held.id, LONG).await.unwrap().state, State::Finished);
    assert_eq!(stage.inspector.find(&held.id).await.unwrap().queue, *queue);
    let views = stage.inspector.queues().await.unwrap();
    assert_eq!(views.iter().map(|view| view.finished).sum::<u64>(), 3 * 101 + 3 + 1, "{views:?}");
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_stops_its_own_queues_only_and_loses_nothing() {
    let mut stage = Stage::new(RedisOptions { persistence: Persistence::EveryWrite, ..RedisOptions::default() }).await;
    let workers = [stage.worker("one", SHORT).await, stage.worker("two", SHORT).await];
    let [first, second, third] = stage.queues.clone();
    stage.put_many(&second, "before", 300).await;
    eventually("some have run", || async { if stage.runs.load(Ordering::SeqCst) > 20 { Ok(()) } else { Err(()) } }).await;
    stage.cluster.node_mut(1).kill().await.unwrap();

    for queue in [&first, &third] {
        stage.put_many(queue, "meanwhile", 100).await;
        stage.finished(queue, 100).await;
    }
    stage.given_up().await;
    for queue in [&first, &third] {
        stage.put_many(queue, "later", 100).await;
        stage.finished(queue, 200).await;
    }
    let refused = stage.inspector.queue(&second).await;
    assert!(matches!(&refused, Err(error @ Error::Redis(_)) if error.is_outage()), "{refused:?}");

    stage.cluster.node_mut(1).restart().await.unwrap();
    stage.put_many(&second, "after", 100).await;
    stage.finished(&second, 400).await;
    for queue in [&first, &third] {
        stage.put_many(queue, "after", 10).await;
        stage.finished(queue, 210).await;
    }
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_a_dead_node_cannot_settle_keep_no_slot_from_the_queues_of_the_others() {
    let mut stage = Stage::new(RedisOptions { persistence: Persistence::EveryWrite, ..RedisOptions::default() }).await;
    let worker = stage.worker("one", LONG).await;
    let [first, second, _] = stage.queues.clone();
    for _ in 0..SLOTS {
        stage.put(&second, &AtTheGate).await;
    }
    eventually("every slot is taken", || async {
        let arrived = stage.gate.arrived.load(Ordering::SeqCst);
        if arrived == SLOTS { Ok(()) } else { Err(arrived) }
    })
    .await;
    stage.cluster.node_mut(1).kill().await.unwrap();
    stage.gate.open.add_permits(SLOTS);

    stage.put_many(&first, "meanwhile", 20).await;
    stage.finished(&first, 20).await;

    stage.cluster.node_mut(1).restart().await.unwrap();
    stage.finished(&second, SLOTS as u64).await;
    assert_eq!(stage.gate.arrived.load(Ordering::SeqCst), SLOTS, "a job ran twice that had only to be settled");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_falls_silent_holds_up_no_claim_from_the_others() {
    let stage = Stage::new(RedisOptions::default()).await;
    // A claim that waited for the silent node to be dialled would be heard of when this test is long over.
    let mut waits = RedisConfig::new(stage.cluster.url());
    (waits.response_timeout, waits.connect_timeout) = (SHORT, 10 * LONG);
    let worker = stage.worker_that_waits("one", LONG, waits).await;
    let [first, second, _] = stage.queues.clone();
    for queue in [&first, &second] {
        let note = stage.put(queue, &Note { fails_first: false }).await;
        stage.in_state(&note, State::Finished).await;
    }
    let silent = stage.process_of(1).await;
    kill_process(silent, Signal::STOP).unwrap();
    for _ in 0..100 {
        let note = stage.put(&first, &Note { fails_first: false }).await;
        stage.in_state(&note, State::Finished).await;
    }
    kill_process(silent, Signal::CONT).unwrap();
    stage.put_many(&second, "after", 10).await;
    stage.finished(&second, 11).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_takes_over_is_found_and_so_is_the_master_that_takes_back() {
    let mut stage = Stage::new(RedisOptions::default()).await;
    let replica = stage.cluster.add_replica(1).await.unwrap();
    let worker = stage.worker("one", SHORT).await;
    let queue = stage.queues[1].clone();
    let raw = |url: String| redis::Client::open(url).unwrap().get_connection().unwrap();
    stage.put_many(&queue, "before", 100).await;
    stage.finished(&queue, 100).await;
    let pause = Pause { reason: "to have something to lose".into(), by: "ada".into(), at: 0, resume_at: None, cause: None };
    stage.client.pause(&queue, &pause).await.unwrap();
    stage.put_many(&queue, "waiting", 100).await;
    // It is waited for what this very connection wrote last, so that it must write something.
    let mut writing = raw(stage.cluster.node(1).plain_url());
    redis::cmd("SET").arg(format!("{{{queue}}}:last")).arg("of all").exec(&mut writing).unwrap();
    let copied: u64 = redis::cmd("WAIT").arg(1).arg(20_000).query(&mut writing).unwrap();
    assert_eq!(copied, 1, "the replica has not got everything");

    stage.cluster.node_mut(1).kill().await.unwrap();
    eventually("the replica has taken over", || stage.client.resume(&queue)).await;
    stage.finished(&queue, 200).await;

    // It comes back as a replica, and takes its slots back while the worker waits for work on the other.
    stage.cluster.node_mut(1).restart().await.unwrap();
    eventually("the old master follows", || async {
        let role: String = redis::cmd("INFO").arg("replication").query(&mut raw(stage.cluster.node(1).plain_url())).unwrap();
        if role.contains("role:slave") && role.contains("master_link_status:up") { Ok(()) } else { Err(role) }
    })
    .await;
    // Who has not heard of its new part passes over what it asks for.
    for node in [0, 1, 2, replica] {
        eventually("every node knows that it follows", || async {
            let nodes = stage.ask(node, redis::cmd("CLUSTER").arg("NODES")).await;
            let its_port = format!(":{}@", stage.cluster.node(1).port());
            let follows = nodes.lines().any(|line| line.contains(&its_port) && line.contains("slave"));
            if follows && !nodes.contains("fail") && !nodes.contains("disconnected") { Ok(()) } else { Err(nodes) }
        })
        .await;
    }
    redis::cmd("CLUSTER").arg("FAILOVER").exec(&mut raw(stage.cluster.node(1).plain_url())).unwrap();
    eventually("the old master has taken back", || async {
        let role: String = redis::cmd("INFO").arg("replication").query(&mut raw(stage.cluster.node(replica).plain_url())).unwrap();
        if role.contains("role:slave") { Ok(()) } else { Err(role) }
    })
    .await;
    stage.put_many(&queue, "after", 100).await;
    stage.finished(&queue, 300).await;
    worker.stop().await;
}

#[tokio::test]
async fn documents_pass_a_cluster_whose_node_is_emptied_and_operators_see_it() {
    let mut system = System::with(SystemOptions { own_cluster: Some(RedisOptions::default()), ..SystemOptions::default() }).await;
    system.consent(1).await;
    let (_scheduler, _worker) = (system.scheduler(), system.worker());
    let first = system.upload(1, "statement.png", &samples::bytes("statement.png")).await;
    assert_eq!(system.document_ended(first).await.0, "completed");

    system
        .client
        .pause(&QueueName::parse("documents").unwrap(), &Pause { reason: "r".into(), by: "b".into(), at: 0, resume_at: None, cause: None })
        .await
        .unwrap();
    let second = system.upload(1, "statement.png", &samples::bytes("statement.png")).await;
    eventually("the row is relayed", || async {
        let relayed: bool = sqlx::query_scalar("select relayed_at is not null from celeriac.outbox where id = 'document-' || $1")
            .bind(second)
            .fetch_one(&system.pool)
            .await
            .unwrap();
        relayed.then_some(()).ok_or(())
    })
    .await;
    // Every node comes back without its data, the pause included.
    let cluster = system.own_cluster.as_mut().unwrap();
    for node in 0..3 {
        cluster.node_mut(node).restart().await.unwrap();
    }
    assert_eq!(system.document_ended(second).await.0, "completed");
    eventually("quiet", || system.is_quiet()).await;

    let (_, found, said) = system.celeriac(&["check"]).await;
    assert!(found.contains("maxmemory-policy is noeviction"), "{found}{said}");
    // The worker's card comes back with its next renewal.
    eventually("the worker is seen", || async {
        let (succeeded, workers, said) = system.celeriac(&["inspect", "workers"]).await;
        if succeeded && workers.contains("documents") { Ok(()) } else { Err(workers + &said) }
    })
    .await;
    system.finish().await;
}

//! `make bench`: throughput, latency, memory and idle cost of the engine, each beside what the machine can do at most.
//!
//! Machines are shared and noisy: read the ratios. Every figure is the median of interleaved rounds in one run.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use celeriac_queue::{Client, EnqueueOptions, Job, JobContext, JobResult, Namespace, Policy, QueueName, RedisConfig, Registry};
use celeriac_worker::{Stop, Worker, WorkerConfig};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

const ROUNDS: usize = 3;
const JOBS: usize = 100_000;
const LATENCY_SAMPLES: usize = 2_000;
const IDLE: Duration = Duration::from_secs(20);

/// Does nothing; its payload is about 200 bytes.
#[derive(Serialize, Deserialize)]
struct Noop {
    padding: String,
}

#[derive(Clone)]
struct Count {
    done: Arc<AtomicUsize>,
    goal: usize,
    reached: Arc<Notify>,
}

impl Job for Noop {
    const NAME: &'static str = "noop";
    type State = Count;
    type Output = ();

    fn policy() -> Policy {
        Policy { keep: Duration::ZERO, ..Policy::default() }
    }

    async fn run(self, count: Count, _: JobContext) -> JobResult {
        if count.done.fetch_add(1, Ordering::Relaxed) + 1 == count.goal {
            count.reached.notify_one();
        }
        Ok(())
    }
}

/// Says when it started.
#[derive(Serialize, Deserialize)]
struct Mark {}

impl Job for Mark {
    const NAME: &'static str = "mark";
    type State = mpsc::UnboundedSender<Instant>;
    type Output = ();

    fn policy() -> Policy {
        Policy { keep: Duration::ZERO, ..Policy::default() }
    }

    async fn run(self, started: Self::State, _: JobContext) -> JobResult {
        let _ = started.send(Instant::now());
        Ok(())
    }
}

async fn client(prefix: &str) -> Result<Client> {
    let url = std::env::var("REDIS_URL").context("REDIS_URL is not set: run `make bench`")?;
    let mut config = RedisConfig::new(url);
    config.namespace = Namespace::parse(prefix)?;
    Ok(Client::connect(&config).await?)
}

async fn raw() -> Result<redis::aio::MultiplexedConnection> {
    Ok(redis::Client::open(std::env::var("REDIS_URL")?)?.get_multiplexed_async_connection().await?)
}

async fn fill(client: &Client, count: usize) -> Result<Duration> {
    let payload = serde_json::to_vec(&Noop { padding: "x".repeat(185) })?;
    let policy = Noop::policy();
    let begun = Instant::now();
    for part in 0..count.div_ceil(500) {
        let size = (count - part * 500).min(500);
        let jobs = (0..size).map(|_| (Noop::NAME.to_owned(), payload.clone(), EnqueueOptions::default())).collect();
        client.enqueue_many(&QueueName::default(), jobs, &policy).await?;
    }
    Ok(begun.elapsed())
}

/// Jobs a second from a full queue through claim, apalis and complete, with one worker. Also the rate of bulk enqueue.
async fn drain(round: usize) -> Result<(f64, f64)> {
    let client = client(&format!("bench{round}")).await?;
    let enqueue = fill(&client, JOBS).await?;
    let count = Count { done: Arc::default(), goal: JOBS, reached: Arc::default() };
    let registry = Registry::new().with::<Noop>(count.clone());
    let config = WorkerConfig { concurrency: 512, ..WorkerConfig::default() };
    let stop = Stop::new();
    let worker = Worker::with(client.connection().clone(), None, registry, config);
    let begun = Instant::now();
    let running = tokio::spawn(worker.run(stop.clone()));
    count.reached.notified().await;
    let took = begun.elapsed();
    stop.trigger();
    running.await??;
    Ok((JOBS as f64 / took.as_secs_f64(), JOBS as f64 / enqueue.as_secs_f64()))
}

/// The limit: a tight client that pops batches of 64 by Lua into an in-flight hash and lease set, and acknowledges the last batch in the same call.
async fn limit(round: usize) -> Result<f64> {
    let mut redis = raw().await?;
    let keys = ["ready", "payloads", "inflight", "leases"].map(|name| format!("limit{round}:{name}"));
    let payload = "x".repeat(200);
    for part in 0..JOBS / 500 {
        let mut pipe = redis::pipe();
        for n in 0..500 {
            let id = part * 500 + n;
            pipe.rpush(&keys[0], id).ignore().hset(&keys[1], id, &payload).ignore();
        }
        pipe.exec_async(&mut redis).await?;
    }
    let script = redis::Script::new(
        "if #ARGV > 0 then redis.call('HDEL', KEYS[3], unpack(ARGV)) redis.call('ZREM', KEYS[4], unpack(ARGV)) redis.call('HDEL', KEYS[2], unpack(ARGV)) end
         local ids = redis.call('LPOP', KEYS[1], 64)
         if not ids then return {} end
         local payloads = redis.call('HMGET', KEYS[2], unpack(ids))
         local held, leases = {}, {}
         for i, id in ipairs(ids) do
           held[#held + 1] = id held[#held + 1] = 'token'
           leases[#leases + 1] = 1 leases[#leases + 1] = id
         end
         redis.call('HSET', KEYS[3], unpack(held))
         redis.call('ZADD', KEYS[4], unpack(leases))
         return {ids, payloads}",
    );
    let begun = Instant::now();
    let mut last: Vec<String> = Vec::new();
    loop {
        let mut call = script.prepare_invoke();
        keys.iter().for_each(|key| {
            call.key(key);
        });
        call.arg(&last);
        let reply: redis::Value = call.invoke_async(&mut redis).await?;
        match redis::from_redis_value::<(Vec<String>, Vec<String>)>(reply) {
            Ok((ids, _)) => last = ids,
            Err(_) => break,
        }
    }
    Ok(JOBS as f64 / begun.elapsed().as_secs_f64())
}

/// Enqueue to start on an idle worker, and a plain Redis round trip, in microseconds, sorted.
async fn latency() -> Result<(Vec<u128>, Vec<u128>)> {
    let client = client("benchlatency").await?;
    let (started, mut starts) = mpsc::unbounded_channel();
    let stop = Stop::new();
    let registry = Registry::new().with::<Mark>(started);
    let running = tokio::spawn(Worker::with(client.connection().clone(), None, registry, WorkerConfig::default()).run(stop.clone()));
    let mut redis = raw().await?;
    let (mut latencies, mut trips) = (Vec::new(), Vec::new());
    for _ in 0..LATENCY_SAMPLES {
        let begun = Instant::now();
        client.enqueue(&Mark {}).await?;
        let start = starts.recv().await.context("the worker ended")?;
        latencies.push(start.duration_since(begun).as_micros());
        // The next one finds the worker waiting again.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let begun = Instant::now();
        redis::cmd("PING").exec_async(&mut redis).await?;
        trips.push(begun.elapsed().as_micros());
    }
    stop.trigger();
    running.await??;
    latencies.sort_unstable();
    trips.sort_unstable();
    Ok((latencies, trips))
}

/// Commands that clients send to Redis within that time. What a script calls inside is not counted.
async fn commands_within(time: Duration) -> Result<usize> {
    let url = std::env::var("REDIS_URL")?;
    let address = url.trim_start_matches("redis://").trim_end_matches('/').split('/').next().context("host and port")?.to_owned();
    let mut monitor = tokio::net::TcpStream::connect(address).await?;
    monitor.write_all(b"MONITOR\r\n").await?;
    let mut lines = tokio::io::BufReader::new(monitor).lines();
    lines.next_line().await?;
    let mut count = 0;
    let _ = tokio::time::timeout(time, async {
        while let Ok(Some(line)) = lines.next_line().await {
            count += usize::from(!line.contains(" lua] "));
        }
    })
    .await;
    Ok(count)
}

/// Resident memory in MB, and Redis commands a second, of one idle process.
async fn idle(name: &str) -> Result<(f64, f64)> {
    let folder = tempfile::tempdir()?;
    let program = std::env::current_exe()?.ancestors().nth(2).context("target/release")?.join(name);
    let mut child = tokio::process::Command::new(program)
        .envs([("OPENAI_API_KEY", "sk-bench"), ("FIELD_ENCRYPTION_KEYS", "dGVzdC1rZXktMzItYnl0ZXMtbG9uZy1mb3ItZmVybmU=")])
        .env("MEDIA_ROOT", folder.path())
        .env("REDIS_PREFIX", format!("idle-{name}"))
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let pid = child.id().context("it runs")?;
    // It connects, announces itself and settles down first.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let commands = commands_within(IDLE).await?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes: f64 =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?.trim().trim_end_matches(" kB").parse()?;
    anyhow::ensure!(child.try_wait()?.is_none(), "{name} ended");
    child.kill().await?;
    Ok((kilobytes / 1_024.0, commands as f64 / IDLE.as_secs_f64()))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn main() -> Result<()> {
    let (mut drains, mut enqueues, mut limits) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        limits.push(limit(round).await?);
        let (drained, enqueued) = drain(round).await?;
        drains.push(drained);
        enqueues.push(enqueued);
    }
    let (drained, enqueued, most) = (median(drains), median(enqueues), median(limits));
    println!("no-op jobs, claim → apalis → complete, one worker   {drained:>9.0} jobs/s   {:.2} × limit", drained / most);
    println!("bulk enqueue, batches of 500                       {enqueued:>9.0} jobs/s   {:.2} × limit", enqueued / most);
    println!("limit: Lua pops of 64 over one connection          {most:>9.0} jobs/s");
    let (latencies, trips) = latency().await?;
    let at = |sorted: &[u128], part: f64| sorted[((sorted.len() - 1) as f64 * part) as usize];
    println!("idle enqueue → start                               p50 {} µs, p99 {} µs", at(&latencies, 0.5), at(&latencies, 0.99));
    println!("one Redis round trip                               p50 {} µs, p99 {} µs", at(&trips, 0.5), at(&trips, 0.99));
    for name in ["celeriac-worker", "celeriac-scheduler"] {
        let (megabytes, commands) = idle(name).await?;
        println!("{name:<20} idle                          {megabytes:>6.1} MB RSS   {commands:.2} Redis commands/s");
    }
    Ok(())
}

//! Makes the settling moves in Redis: completions and releases many in one round trip, the others one by one.
//!
//! A move is repeated until Redis has answered it, whatever the outage lasts: the lease may well be alive afterwards, and when it is not
//! the answer says so and nothing is changed. So nothing is dropped here in silence.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use celeriac_queue::{Client, Completion, Consumer, Error, JobId, Outcome, Pause, PauseOrder, QueueName, Settled, WorkerId};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::handover::{Batch, Message};
use crate::lobby::Lobby;
use crate::moves::{Move, Settlement};
use crate::patience::pause_after;
use crate::run::Run;
use crate::trouble::Trouble;

/// Between the pause of a queue and the moment its job is looked at again.
const SNOOZE_WHILE_PAUSED: Duration = Duration::from_secs(1);
/// How long what comes next waits for what is under way, so that more is settled in one call. Not for ever: in a cluster the node of one
/// queue may be away, and the others' are not.
const PATIENCE: Duration = Duration::from_millis(250);
const DUTY: &str = "settling jobs";

pub(crate) struct Settler {
    pub(crate) client: Client,
    pub(crate) worker: WorkerId,
    pub(crate) trouble: Trouble,
    /// For the runs of requests that take long.
    pub(crate) lobby: Lobby,
    /// How many requests have failed and are tried on.
    pub(crate) failing: AtomicUsize,
}

/// One call of Redis, for one run or many of the same queue.
struct Request {
    consumer: Arc<Consumer>,
    runs: Vec<Run>,
    what: What,
}

enum What {
    Complete(Vec<Completion>),
    Release(Vec<(JobId, String)>),
    /// Any other move, of one run.
    Single(Move),
}

impl What {
    fn name(&self) -> &'static str {
        match self {
            Self::Complete(_) => "complete",
            Self::Release(_) => "release",
            Self::Single(to) => to.name(),
        }
    }
}

impl Settler {
    /// Until nobody can hand in any more.
    pub(crate) async fn run(self, mut inbox: mpsc::Receiver<Message>) {
        // Requests that Redis does not answer for now.
        let mut lingering = FuturesUnordered::new();
        loop {
            let batch = tokio::select! {
                batch = Batch::receive(&mut inbox) => batch,
                Some(()) = lingering.next() => continue,
            };
            let Some(batch) = batch else { break };
            let (settlements, flushes) = batch.into_parts();
            let mut under_way: FuturesUnordered<_> =
                requests(settlements).into_iter().map(|request| self.settle(request).boxed()).collect();
            let _ = tokio::time::timeout(PATIENCE, finish(&mut under_way)).await;
            lingering.extend(under_way);
            if !flushes.is_empty() {
                finish(&mut lingering).await;
                Batch::done(flushes);
            }
        }
        finish(&mut lingering).await;
    }

    /// Gives the slots back at its end; before that, where the queues of other nodes may need them.
    async fn settle(&self, request: Request) {
        let mut insisting = pin!(self.insist(&request));
        if tokio::time::timeout(PATIENCE, &mut insisting).await.is_err() {
            request.runs.iter().for_each(|run| self.lobby.seat(run));
            insisting.await;
        }
    }

    /// Repeats a request until Redis has answered it. A refusal that is no outage (a fault of ours or of the data) is given up after a
    /// lease length, so that it cannot hold up the others for ever: the jobs are then delivered again.
    async fn insist(&self, request: &Request) {
        let begun = Instant::now();
        let mut failures = 0;
        let answered = loop {
            match self.ask(request).await {
                Err(error) if !error.is_outage() && begun.elapsed() > request.consumer.config().lease => break Err(error),
                Err(error) => {
                    if failures == 0 {
                        self.failing.fetch_add(1, Ordering::SeqCst);
                    }
                    failures += 1;
                    self.trouble.begins(DUTY, error);
                    tokio::time::sleep(pause_after(failures)).await;
                }
                settled => break settled,
            }
        };
        let others = if failures > 0 { self.failing.fetch_sub(1, Ordering::SeqCst) - 1 } else { self.failing.load(Ordering::SeqCst) };
        match answered {
            Ok(settled) => {
                if others == 0 {
                    self.trouble.ends(DUTY);
                }
                request.runs.iter().zip(settled).for_each(|(run, settled)| tell(run, request.what.name(), settled, failures));
            }
            Err(error) => {
                for run in &request.runs {
                    let id = &run.lease.id;
                    tracing::error!(job.id = %id, %error, "the job could not be settled; it is delivered again when its lease runs out");
                }
            }
        }
    }

    async fn ask(&self, request: &Request) -> Result<Vec<Settled>, Error> {
        match &request.what {
            What::Complete(completions) => request.consumer.complete(completions).await,
            What::Release(leases) => request.consumer.release(leases).await,
            What::Single(to) => Ok(self.make(&request.runs[0], to).await?.into_iter().collect()),
        }
    }

    /// One move in Redis; `None` when there is none to make.
    async fn make(&self, run: &Run, to: &Move) -> Result<Option<Settled>, Error> {
        let (consumer, id, token): (&Consumer, _, _) = (&run.lease.consumer, &run.lease.id, &run.lease.token);
        match to {
            // Those two are made many at once.
            Move::Complete { .. } | Move::Release => Ok(None),
            Move::Forget => Ok(None),
            Move::Retry { delay, error } => consumer.retry(id, token, *delay, error).await.map(Some),
            Move::Snooze { delay, .. } => consumer.snooze(id, token, *delay).await.map(Some),
            Move::Bury { kind, reason } => consumer.bury(id, token, kind, reason).await.map(Some),
            Move::Cancel { reason } => consumer.cancel(id, token, reason).await.map(Some),
            Move::Expire => consumer.expire(id, token).await.map(Some),
            Move::PauseQueue(order) => {
                // First the pause, or the job could be claimed again before it.
                self.client.pause(consumer.queue(), &self.pause(order)).await?;
                consumer.snooze(id, token, SNOOZE_WHILE_PAUSED).await.map(Some)
            }
        }
    }

    fn pause(&self, order: &PauseOrder) -> Pause {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let resume_at = order.resume_in.map(|wait| at.saturating_add(wait.as_millis() as u64));
        Pause { reason: order.reason.clone(), by: format!("worker {}", self.worker), at, resume_at, cause: order.cause.clone() }
    }
}

async fn finish(requests: &mut FuturesUnordered<BoxFuture<'_, ()>>) {
    while requests.next().await.is_some() {}
}

/// As few calls as will do.
fn requests(settlements: Vec<Settlement>) -> Vec<Request> {
    let (mut completed, mut released, mut requests) = (ByQueue::new(), ByQueue::new(), Vec::new());
    for Settlement { run, to } in settlements {
        match to {
            Move::Complete { .. } => completed.entry(run.lease.consumer.queue().clone()).or_default().push((run, to)),
            Move::Release => released.entry(run.lease.consumer.queue().clone()).or_default().push((run, to)),
            to => requests.push(Request { consumer: Arc::clone(&run.lease.consumer), runs: vec![run], what: What::Single(to) }),
        }
    }
    for jobs in completed.into_values() {
        let completions = jobs.iter().filter_map(|(run, to)| completion(run, to)).collect();
        requests.push(of_many(jobs, What::Complete(completions)));
    }
    for mut jobs in released.into_values() {
        // In the order of their claims, so that they stand at the head of their queue as they stood before.
        jobs.sort_by_key(|(run, _)| run.lease.number);
        let leases = jobs.iter().map(|(run, _)| (run.lease.id.clone(), run.lease.token.clone())).collect();
        requests.push(of_many(jobs, What::Release(leases)));
    }
    requests
}

/// Settlements of one kind; none of the lists is empty.
type ByQueue = BTreeMap<QueueName, Vec<(Run, Move)>>;

fn of_many(jobs: Vec<(Run, Move)>, what: What) -> Request {
    Request { consumer: Arc::clone(&jobs[0].0.lease.consumer), runs: jobs.into_iter().map(|(run, _)| run).collect(), what }
}

fn completion(run: &Run, to: &Move) -> Option<Completion> {
    let Move::Complete { outcome, keep, remember, next } = to else { return None };
    Some(Completion {
        id: run.lease.id.clone(),
        token: run.lease.token.clone(),
        keep_ms: keep.as_millis() as u64,
        remember_ms: remember.as_millis() as u64,
        outcome: json(outcome),
        next: next.clone(),
    })
}

fn json(outcome: &Outcome) -> String {
    serde_json::to_string(outcome).expect("an outcome has only text keys")
}

fn tell(run: &Run, to: &'static str, settled: Settled, failures: u32) {
    let (id, name) = (&run.lease.id, run.name());
    // For whoever counts from outside what Redis answered to which move; costs nothing where nobody listens.
    tracing::trace!(job.id = id.as_str(), to, answer = settled.as_str(), repeated = failures > 0, "answered");
    match settled {
        Settled::Done => {}
        Settled::Cancelled => tracing::info!(job.id = %id, job.name = name, "cancelled, as somebody had asked"),
        // The answer to the first try may have been lost with the line: then this is the second answer to a move that was made.
        Settled::LeaseLost if failures > 0 => tracing::debug!(job.id = %id, job.name = name, "settled before, or its lease was lost"),
        Settled::LeaseLost => {
            tracing::warn!(job.id = %id, job.name = name, "its lease was lost before it was settled; nothing was changed, another worker has it");
        }
    }
}

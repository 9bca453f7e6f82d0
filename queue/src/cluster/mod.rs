//! A cluster's lines: one shared [`Line`] a node, and a map of which node serves which slot.
//!
//! redis-rs has a cluster client too. It goes on using a node's connection that fell silent, and while it looks at the cluster anew no
//! command passes, also none for the nodes that are well. Here each node has the line that a single server has, and the map is looked
//! after in the background:
//!
//! ```text
//! command ─ slot ─ map ─ line of the node ─┬─ answer
//!            ^                             ├─ MOVED: believe it, send it there
//!            │                             ├─ ASK, TRYAGAIN: the slot is being moved; wait a little, send it again
//!            └── look (CLUSTER SLOTS) <────┴─ no answer, CLUSTERDOWN, …: report it, and look in the background
//! ```
//! A command that may have been executed is never sent again here: repeating it is for the caller to decide.

mod map;
mod redirect;
mod slot;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use rand::seq::SliceRandom;
use redis::aio::ConnectionLike;
use redis::{Client, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value};
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::dial::Dial;
use crate::line::Line;
use map::SlotMap;
use redirect::Verdict;

/// How often a command is sent at most: a slot that is being moved is waited for, two and a half seconds in all.
const TRIES_MAX: u32 = 8;
/// Nodes asked at once for the map; the first answer counts.
const ASKED_AT_ONCE: usize = 3;
/// Before a command is sent a third time, or a second to a slot that is being moved; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// Between two looks, however many commands fail.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// A cheap-to-clone handle.
#[derive(Clone)]
pub(crate) struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    dial: Arc<Dial>,
    known: Mutex<Known>,
    /// Whether somebody looks at the cluster anew.
    looking: AtomicBool,
}

#[derive(Default)]
struct Known {
    map: SlotMap,
    lines: HashMap<Address, Line>,
}

impl Cluster {
    /// # Errors
    /// When no node answers, or no slot is served.
    pub(crate) async fn open(dial: Arc<Dial>) -> RedisResult<Self> {
        let cluster = Self { shared: Arc::new(Shared { dial, known: Mutex::default(), looking: AtomicBool::new(false) }) };
        let map = cluster.ask().await?;
        cluster.adopt(map);
        Ok(cluster)
    }

    /// The node that serves a key, to be called by a connection of one's own.
    pub(crate) fn client_for(&self, key: &str) -> RedisResult<Client> {
        let owner = self.owner(Some(slot::of_key(key.as_bytes())))?;
        self.shared.dial.node(&owner)
    }

    /// Cancelled once the line to the node that serves a key now was given up, also because it serves no key any more.
    ///
    /// # Errors
    /// When that node does not answer; the map is looked at anew.
    pub(crate) async fn given_up(&self, key: &str) -> RedisResult<CancellationToken> {
        let owner = self.owner(Some(slot::of_key(key.as_bytes())))?;
        self.line(&owner)?.given_up().await.inspect_err(|error| self.follow(&redirect::of_error(error, &owner)))
    }

    /// The line of the node that a command goes to.
    pub(crate) fn node_of(&self, command: &Cmd) -> RedisResult<Line> {
        self.line(&self.owner(slot::of_command(command))?)
    }

    /// Takes in what a connection of somebody's own to the node of that key met.
    pub(crate) fn heed(&self, key: &str, error: &RedisError) {
        if let Ok(asked) = self.owner(Some(slot::of_key(key.as_bytes()))) {
            self.follow(&redirect::of_error(error, &asked));
        }
    }

    /// A line to each node that serves slots.
    pub(crate) fn masters(&self) -> RedisResult<Vec<Line>> {
        let masters: Vec<Address> = self.known().map.masters().into_iter().cloned().collect();
        masters.iter().map(|master| self.line(master)).collect()
    }

    async fn send(&self, message: Message<'_>) -> RedisResult<Vec<Value>> {
        let slot = message.slot();
        let mut to = self.owner(slot)?;
        let mut tries = 1;
        loop {
            let answer = message.pass(self.line(&to)?).await;
            let verdict = redirect::of_answer(&answer, &to);
            self.follow(&verdict);
            if tries == TRIES_MAX || matches!(verdict, Verdict::Answered | Verdict::InDoubt) {
                return answer;
            }
            if tries > 1 || verdict == Verdict::Wait {
                tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(tries - 1)).await;
            }
            to = match verdict {
                Verdict::Moved { to, .. } => to,
                _ => self.owner(slot)?,
            };
            tries += 1;
        }
    }

    fn follow(&self, verdict: &Verdict) {
        match verdict {
            Verdict::Answered => {}
            Verdict::Moved { slot, to } => {
                self.known().map.learn(*slot, to.clone());
                self.look();
            }
            Verdict::Wait | Verdict::InDoubt => self.look(),
        }
    }

    /// Who serves a slot; without a slot anybody, rather one whose line stands.
    fn owner(&self, slot: Option<u16>) -> RedisResult<Address> {
        let known = self.known();
        let owner = match slot {
            Some(slot) => known.map.master_of(slot).cloned(),
            None => {
                let mut masters: Vec<&Address> = known.map.masters().into_iter().collect();
                masters.shuffle(&mut rand::rng());
                let stands = |address: &&&Address| known.lines.get(**address).is_some_and(Line::is_connected);
                masters.iter().find(stands).or(masters.first()).map(|address| (*address).clone())
            }
        };
        drop(known);
        owner.ok_or_else(|| {
            self.look();
            RedisError::from((ErrorKind::Server(ServerErrorKind::ClusterDown), "no node of the cluster serves this slot"))
        })
    }

    fn line(&self, address: &Address) -> RedisResult<Line> {
        let mut known = self.known();
        if let Some(line) = known.lines.get(address) {
            return Ok(line.clone());
        }
        let line = self.shared.dial.line(self.shared.dial.node(address)?);
        known.lines.insert(address.clone(), line.clone());
        Ok(line)
    }

    /// Finds out in the background who serves which slot now, unless somebody does so already.
    fn look(&self) {
        if self.shared.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let cluster = self.clone();
        tokio::spawn(async move {
            match cluster.ask().await {
                Ok(map) => cluster.adopt(map),
                Err(error) => tracing::debug!(%error, "no node of the cluster says who serves which slot"),
            }
            tokio::time::sleep(LOOK_PAUSE).await;
            cluster.shared.looking.store(false, Ordering::Release);
        });
    }

    /// The map of whoever answers first.
    async fn ask(&self) -> RedisResult<SlotMap> {
        let mut failure = None;
        let mut answers = futures::stream::iter(self.candidates())
            .map(|address| async move {
                let answer = redis::cmd("CLUSTER").arg("SLOTS").query_async::<Value>(&mut self.line(&address)?).await?;
                Ok(SlotMap::read(answer, &address))
            })
            .buffer_unordered(ASKED_AT_ONCE);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(map) if !map.is_empty() => return Ok(map),
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
        }
        let nothing = || RedisError::from((ErrorKind::Server(ServerErrorKind::ClusterDown), "no node of the cluster serves any slot"));
        Err(failure.unwrap_or_else(nothing))
    }

    /// Nodes to ask, those whose lines stand first.
    fn candidates(&self) -> Vec<Address> {
        let known = self.known();
        let mut all: Vec<Address> = known.map.masters().into_iter().chain(self.shared.dial.addresses()).cloned().collect();
        all.sort();
        all.dedup();
        all.shuffle(&mut rand::rng());
        all.sort_by_key(|address| !known.lines.get(address).is_some_and(Line::is_connected));
        all
    }

    fn adopt(&self, map: SlotMap) {
        let mut known = self.known();
        let masters = map.masters();
        // What waits on a node that has nothing to say any more is told so.
        known.lines.extract_if(|address, _| !masters.contains(address)).for_each(|(_, line)| line.retire());
        known.map = map;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is sent, and may be sent again. A pipeline's commands are of one slot; sent again it is as a whole, so that each part of it must
/// bear that (or be part of a transaction, which a node makes whole or not at all).
#[derive(Clone, Copy)]
enum Message<'a> {
    Command(&'a Cmd),
    Pipeline { pipeline: &'a Pipeline, offset: usize, count: usize },
}

impl Message<'_> {
    fn slot(self) -> Option<u16> {
        match self {
            Self::Command(command) => slot::of_command(command),
            Self::Pipeline { pipeline, .. } => slot::of_pipeline(pipeline),
        }
    }

    async fn pass(self, mut line: Line) -> RedisResult<Vec<Value>> {
        match self {
            Self::Command(command) => line.req_packed_command(command).await.map(|value| vec![value]),
            Self::Pipeline { pipeline, offset, count } => line.req_packed_commands(pipeline, offset, count).await,
        }
    }
}

impl ConnectionLike for Cluster {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move { Ok(self.send(Message::Command(cmd)).await?.pop().expect("one command, one answer")) })
    }

    fn req_packed_commands<'a>(&'a mut self, pipeline: &'a Pipeline, offset: usize, count: usize) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(self.send(Message::Pipeline { pipeline, offset, count }))
    }

    fn get_db(&self) -> i64 {
        0
    }
}

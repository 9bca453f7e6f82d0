//! A private Redis Cluster: three masters that share the slots, and replicas where a test wants one.

use std::time::{Duration, Instant};

use super::{
    error::{DevstackError, Doing},
    launch::LOOK,
    redis::{RedisOptions, RedisServer},
    redis_probe::tell,
};

const MASTERS: u16 = 3;
const SLOTS: u16 = 16_384;

/// Nodes meet within a second or two; a test may share two cores with a build.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running private cluster. Ended and removed on drop, or when our process dies.
#[derive(Debug)]
pub struct RedisCluster {
    /// The masters in the order of their slots, then the replicas.
    nodes: Vec<RedisServer>,
    options: RedisOptions,
}

impl RedisCluster {
    /// Starts three masters, and returns once each of them says that the cluster serves every slot.
    ///
    /// # Errors
    /// As [`RedisServer::start`]; [`DevstackError::Silent`] when the nodes do not find together.
    pub async fn start(options: RedisOptions) -> Result<Self, DevstackError> {
        let options = RedisOptions { in_cluster: true, ..options };
        let mut cluster = Self { nodes: Vec::new(), options };
        for number in 0..MASTERS {
            let node = RedisServer::start(cluster.options.clone()).await?;
            let own = (number * SLOTS / MASTERS)..((number + 1) * SLOTS / MASTERS);
            let slots = own.map(|slot| slot.to_string()).collect::<Vec<_>>().join(" ");
            order(&node, format!("CLUSTER SET-CONFIG-EPOCH {}\r\nCLUSTER ADDSLOTS {slots}", number + 1)).await?;
            cluster.nodes.push(node);
        }
        for node in &cluster.nodes[1..] {
            order(node, cluster.meet_the_first()).await?;
        }
        cluster.wait_until_whole().await?;
        Ok(cluster)
    }

    /// The masters' URLs at the start, separated by commas.
    pub fn url(&self) -> String {
        self.nodes.iter().take(MASTERS.into()).map(RedisServer::url).collect::<Vec<_>>().join(",")
    }

    /// The masters by number from 0, then the replicas as they were added.
    pub fn node(&self, number: usize) -> &RedisServer {
        &self.nodes[number]
    }

    /// As [`node`](Self::node), to be stopped and started.
    pub fn node_mut(&mut self, number: usize) -> &mut RedisServer {
        &mut self.nodes[number]
    }

    /// The master by number that was given a slot at the start.
    pub fn master_of(slot: u16) -> usize {
        (0..MASTERS).find(|number| slot < (number + 1) * SLOTS / MASTERS).map_or(0, usize::from)
    }

    /// Adds a replica of a master and returns its number, once it follows it.
    ///
    /// # Errors
    /// As [`RedisCluster::start`].
    pub async fn add_replica(&mut self, of: usize) -> Result<usize, DevstackError> {
        let replica = RedisServer::start(self.options.clone()).await?;
        let master = bulk(&tell(self.nodes[of].port(), "CLUSTER MYID").await.doing("ask a node for its id")?);
        order(&replica, self.meet_the_first()).await?;
        self.nodes.push(replica);
        self.wait_until_whole().await?;
        let replica = &self.nodes[self.nodes.len() - 1];
        order(replica, format!("CLUSTER REPLICATE {master}")).await?;
        let port = replica.port();
        wait("follows its master", replica, async || {
            tell(port, "INFO replication").await.is_ok_and(|info| info.contains("master_link_status:up"))
        })
        .await?;
        Ok(self.nodes.len() - 1)
    }

    /// Waits until every node sees all nodes and every slot served.
    ///
    /// # Errors
    /// [`DevstackError::Silent`] with the log of the first that does not.
    pub async fn wait_until_whole(&self) -> Result<(), DevstackError> {
        let wanted = format!("cluster_known_nodes:{}\r\n", self.nodes.len());
        for node in &self.nodes {
            let (port, wanted) = (node.port(), wanted.clone());
            wait("finds the cluster whole", node, async || {
                let info = tell(port, "CLUSTER INFO").await.unwrap_or_default();
                ["cluster_state:ok\r\n", "cluster_slots_ok:16384\r\n", wanted.as_str()].iter().all(|line| info.contains(line))
            })
            .await?;
        }
        Ok(())
    }

    fn meet_the_first(&self) -> String {
        format!("CLUSTER MEET 127.0.0.1 {}", self.nodes[0].cluster_port())
    }
}

/// Gives orders that are answered with OK.
async fn order(node: &RedisServer, commands: String) -> Result<(), DevstackError> {
    let answer = tell(node.port(), commands).await.doing("give a node of the cluster its orders")?;
    match answer.lines().find(|line| line.starts_with('-')) {
        None => Ok(()),
        Some(refusal) => Err(std::io::Error::other(refusal.to_owned())).doing("give a node of the cluster its orders"),
    }
}

async fn wait(what: &'static str, node: &RedisServer, holds: impl AsyncFn() -> bool) -> Result<(), DevstackError> {
    let begun = Instant::now();
    while !holds().await {
        if begun.elapsed() > PATIENCE {
            let log_tail = format!("(until it {what})\n{}", node.log_tail());
            return Err(DevstackError::Silent { server: "a node of the cluster", waited: begun.elapsed(), log_tail });
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// The text of a bulk answer: `$40\r\n…\r\n`
fn bulk(answer: &str) -> String {
    answer.lines().nth(1).unwrap_or_default().to_owned()
}

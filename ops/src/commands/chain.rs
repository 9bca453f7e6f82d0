//! `celeriac chain`: jobs that run one after the other.

use anyhow::Context;
use celeriac_queue::Origin;
use clap::Args;

use super::given::read_object;
use crate::composite::accept_chain;
use crate::reply::{Reply, Table};
use crate::stores::Stores;

const EXAMPLE: &str = r#"'{"jobs": [{"job": "fetch", "args": {"url": "…"}}, {"job": "summarize"}]}'"#;

#[derive(Debug, Args)]
pub(crate) struct Chain {
    /// The chain as for POST /api/v1/chains: a JSON object, @FILE, or - for standard input.
    #[arg(value_name = "JSON")]
    chain: String,
}

impl Chain {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        let given = read_object(&self.chain, "the links of a chain", EXAMPLE)?;
        let request = serde_json::from_str(given.get()).with_context(|| format!("this is no chain; it is written as in {EXAMPLE}"))?;
        let chain = accept_chain(stores, request, Origin::Cli, None).await?;
        let mut links = Table::new(&["QUEUE", "ID"], "");
        for (queue, id) in &chain.links {
            links.push(vec![queue.into(), id.into()]);
        }
        let line = if chain.first.duplicate {
            "It had begun before; nothing was enqueued."
        } else {
            "The first is enqueued; each of the others follows the one before it."
        };
        Ok(Reply::of(&chain).table(links).line(line.to_owned()))
    }
}

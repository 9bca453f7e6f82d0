//! `celeriac demo` and `celeriac with-servers`: the whole system, or any command, on private servers.

use std::ffi::OsString;

use clap::Args;
use serde_json::json;

use crate::reply::Reply;
use crate::{demo, with_servers};

#[derive(Debug, Args)]
pub(crate) struct WithServers {
    /// A Redis Cluster of three nodes instead of a single Redis.
    #[arg(long)]
    cluster: bool,
    /// The command, after `--`.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl WithServers {
    /// The command's exit code becomes ours.
    pub(crate) async fn run(self) -> anyhow::Result<Reply> {
        let code = with_servers::run(&self.command, self.cluster).await?;
        Ok(Reply::of(&json!({ "exit_code": code })).exit_with(code))
    }
}

pub(crate) async fn run_demo(arguments: demo::DemoArgs) -> anyhow::Result<Reply> {
    demo::run(&arguments).await?;
    Ok(Reply::of(&json!({ "done": true })))
}

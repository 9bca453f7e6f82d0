//! `celeriac serve`: health, metrics, the HTTP API and the console on one port.

use celeriac_process::stop::Stop;
use celeriac_process::{Process, telemetry};
use clap::Args;
use serde_json::json;

use crate::http;
use crate::reply::Reply;
use crate::stores::Stores;

#[derive(Debug, Args)]
pub(crate) struct Serve {}

impl Serve {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        let _telemetry = telemetry::init(stores.settings(), Process::Ops)?;
        let stop = Stop::on_signals()?;
        http::serve(stores.clone(), &stop).await?;
        Ok(Reply::of(&json!({ "stopped": true })))
    }
}

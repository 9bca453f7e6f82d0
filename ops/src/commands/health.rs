//! `celeriac health`: the report of `/health/?full=1` at the shell, and the probe for a container's health check.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::health::{Health, Level, Report};
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;

#[derive(Debug, Args)]
pub(crate) struct HealthCommand {
    /// Only ask the `celeriac serve` at BIND whether it is alive; no store is asked.
    #[arg(long)]
    ping: bool,
}

impl HealthCommand {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        match self.ping {
            true => ping(stores.settings().text("BIND")).await,
            false => {
                let report = Health::new(stores.clone()).report().await;
                Ok(answer(&report))
            }
        }
    }
}

fn answer(report: &Report) -> Reply {
    let mut table = Table::new(&["CHECK", "STATUS", "WHY"], "");
    for (name, check) in &report.checks {
        let tone = match check.status {
            Level::Healthy => Tone::Good,
            Level::Degraded => Tone::Warning,
            Level::Unhealthy => Tone::Bad,
        };
        table.push(vec![
            name.replace('_', " ").into(),
            Cell::toned(check.status.as_str(), tone),
            check.message.clone().unwrap_or_default().into(),
        ]);
    }
    let line = format!("All in all: {}.", report.status.as_str());
    Reply::of(report).table(table).line(line).failed_if(report.status == Level::Unhealthy)
}

async fn ping(bind: &str) -> anyhow::Result<Reply> {
    let address = bind.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    let address = reachable(address.with_context(|| format!("BIND={bind} is no address"))?);
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
    let answered = client.get(format!("http://{address}/healthz/")).send().await.and_then(reqwest::Response::error_for_status);
    answered.with_context(|| format!("celeriac serve does not answer at {address}"))?;
    Ok(Reply::of(&json!({ "alive": true })).line("celeriac serve is alive."))
}

/// Who listens everywhere is asked at loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

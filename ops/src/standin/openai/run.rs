//! `celeriac openai-stub`: the stand-in as a process of its own.

use std::io::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;

use super::server::{Options, serve};

/// Arguments of `celeriac openai-stub`.
#[derive(Debug, Clone, clap::Args)]
pub struct StubArgs {
    /// Loopback port to listen on; 0 for a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Milliseconds that each answer takes
    #[arg(long, default_value_t = 0)]
    pub latency_ms: u64,
}

/// Serves until the process is killed: it has nothing to put in order. The first line on standard output is the address, for OPENAI_BASE_URL.
///
/// # Errors
/// When the port cannot be taken.
pub async fn run(arguments: StubArgs) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port))
        .await
        .with_context(|| format!("port {} of 127.0.0.1 cannot be listened on", arguments.port))?;
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "http://{address}/v1")?;
    serve(listener, Options { latency: Duration::from_millis(arguments.latency_ms), next: Vec::new() }).await?;
    Ok(())
}

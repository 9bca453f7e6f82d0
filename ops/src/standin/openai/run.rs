//! `celeriac openai-stub`: the stand-in as a process of its own.

use std::io::Write;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;

use super::control::{BatchLatency, Options};
use super::fault::Fault;
use super::server::serve;

/// Arguments of `celeriac openai-stub`. All of them can be changed on the way by `POST /control`.
#[derive(Debug, Clone, clap::Args)]
pub struct StubArgs {
    /// Loopback port to listen on; 0 for a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Milliseconds that each answer takes, or a range as in 100..900
    #[arg(long, default_value = "0")]
    pub latency_ms: LatencyRange,
    /// Requests a minute that are answered; more get 429
    #[arg(long)]
    pub rpm: Option<u64>,
    /// Tokens a minute that are answered; more get 429
    #[arg(long)]
    pub tpm: Option<u64>,
    /// Share of requests, 0 to 1, that get a fault instead of an answer
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub fault_rate: f64,
    /// What the fault rate draws from, by comma, as in server_error,cut,hang
    #[arg(long, value_delimiter = ',')]
    pub faults: Vec<Fault>,
    /// What the first requests get, in order; may be given again, also as JSON: '{"rate_limited": {"retry_after": "2"}}'
    #[arg(long)]
    pub next: Vec<Fault>,
    /// The same seed draws the same faults and latencies
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Milliseconds that a batch takes, or "never"
    #[arg(long, default_value = "0")]
    pub batch_latency_ms: BatchLatency,
}

/// From the shortest to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencyRange {
    least: Duration,
    most: Duration,
}

impl FromStr for LatencyRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let milliseconds = |text: &str| text.trim().parse().map(Duration::from_millis);
        match (milliseconds(least), milliseconds(most)) {
            (Ok(least), Ok(most)) if least <= most => Ok(Self { least, most }),
            _ => Err(format!("'{text}' is neither a number of milliseconds nor a range as in 100..900")),
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| format!("'{text}' is no number from 0 to 1"))
}

impl From<StubArgs> for Options {
    fn from(arguments: StubArgs) -> Self {
        Self {
            latency: arguments.latency_ms.least,
            latency_max: Some(arguments.latency_ms.most),
            next: arguments.next,
            requests_per_minute: arguments.rpm,
            tokens_per_minute: arguments.tpm,
            fault_rate: arguments.fault_rate,
            faults: arguments.faults,
            seed: arguments.seed,
            batch_latency: arguments.batch_latency_ms,
        }
    }
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
    serve(listener, arguments.into()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_a_number_or_a_range() {
        let range = |least, most| Ok(LatencyRange { least: Duration::from_millis(least), most: Duration::from_millis(most) });
        assert_eq!("500".parse(), range(500, 500));
        assert_eq!("100..900".parse(), range(100, 900));
        assert!("900..100".parse::<LatencyRange>().is_err());
        assert!("soon".parse::<LatencyRange>().is_err());
    }
}

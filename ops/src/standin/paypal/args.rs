//! `celeriac paypal-stub`.

use std::net::SocketAddr;
use std::time::Duration;

use super::{CLIENT_ID, CLIENT_SECRET, PayPalStub, StubOptions};

/// Where and how to run it.
#[derive(Debug, Clone, clap::Args)]
pub struct StubArgs {
    /// Address to listen at; port 0 for a free one.
    #[arg(long, default_value = "127.0.0.1:8087")]
    pub bind: SocketAddr,
    /// Seconds after which a PayPal-Request-Id is forgotten.
    #[arg(long, default_value_t = 6 * 60 * 60)]
    pub request_id_seconds: u64,
    /// Let an invoice id be paid again in another order.
    #[arg(long)]
    pub allow_paid_invoices: bool,
}

impl StubArgs {
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(&self) -> anyhow::Result<PayPalStub> {
        let options =
            StubOptions { request_id_ttl: Duration::from_secs(self.request_id_seconds), refuse_paid_invoices: !self.allow_paid_invoices };
        PayPalStub::start_at(self.bind, options).await
    }
}

/// Runs it until the process ends.
///
/// # Errors
/// When the address cannot be had.
pub async fn run(args: StubArgs) -> anyhow::Result<()> {
    let stub = args.start().await?;
    tracing::info!(
        "the PayPal stand-in listens: PAYPAL_BASE_URL={} PAYPAL_CLIENT_ID={CLIENT_ID} PAYPAL_CLIENT_SECRET={CLIENT_SECRET}",
        stub.url()
    );
    stub.wait().await;
    Ok(())
}

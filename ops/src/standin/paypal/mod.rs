//! A local PayPal: the Orders v2 wire format, its idempotency and its refusals, with faults on request. No money moves.
//!
//! It answers as PayPal does what renewals ask of it, and nothing else:
//!
//! | call | answer |
//! |---|---|
//! | `POST /v1/oauth2/token` | a token for [`CLIENT_ID`] and [`CLIENT_SECRET`] |
//! | `POST /v2/checkout/orders` | an order nobody has paid |
//! | `GET /v2/checkout/orders/{id}` | the order with its captures |
//! | `POST /v2/checkout/orders/{id}/capture` | the capture; what becomes of it is in the vault id, see `vault.rs` |
//! | `POST /control/fault`, `GET /control/captures`, `POST /control/forget` | see `control.rs` |
//!
//! A `PayPal-Request-Id` seen before replays its first answer, until it is forgotten.

mod args;
mod books;
mod control;
mod fault;
mod routes;
mod vault;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use args::{StubArgs, run};
pub use fault::{Fault, FaultKind, Step};

use books::Books;

/// The only credentials it accepts.
pub const CLIENT_ID: &str = "celeriac-stand-in";
pub const CLIENT_SECRET: &str = "no-secret";

/// How it behaves where PayPal leaves a choice.
#[derive(Debug, Clone)]
pub struct StubOptions {
    /// How long a `PayPal-Request-Id` is remembered.
    pub request_id_ttl: Duration,
    /// Whether an invoice id paid once is refused in another order, as an account's setting says.
    pub refuse_paid_invoices: bool,
}

impl Default for StubOptions {
    /// As a PayPal account is by default.
    fn default() -> Self {
        Self { request_id_ttl: Duration::from_secs(6 * 60 * 60), refuse_paid_invoices: true }
    }
}

/// A running stand-in; it ends when dropped.
#[derive(Debug)]
pub struct PayPalStub {
    address: SocketAddr,
    shared: Shared,
    server: JoinHandle<()>,
}

impl PayPalStub {
    /// On a free loopback port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(options: StubOptions) -> anyhow::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), options).await
    }

    /// At that address; port 0 for a free one.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start_at(address: SocketAddr, options: StubOptions) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("the PayPal stand-in cannot listen at {address}"))?;
        let address = listener.local_addr().context("ask for the stand-in's address")?;
        let shared = Shared(Arc::new(Mutex::new(Books::new(options))));
        let app = routes::router(shared.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "the PayPal stand-in has stopped");
            }
        });
        Ok(Self { address, shared, server })
    }

    /// For PAYPAL_BASE_URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, until it has happened as often as it says.
    pub fn fault(&self, fault: Fault) {
        self.shared.books().add_fault(fault);
    }

    /// How often each invoice was paid. More than once is what must never be.
    pub fn captures(&self) -> BTreeMap<String, usize> {
        self.shared.books().captures_by_invoice()
    }

    /// What was captured for that invoice, as in `12.30 USD`, in order.
    pub fn captured(&self, invoice_id: &str) -> Vec<String> {
        self.shared.books().captured(invoice_id)
    }

    /// How many captures were asked for, refused ones and repetitions included.
    pub fn capture_calls(&self) -> usize {
        self.shared.books().capture_calls
    }

    /// How many calls of any kind were made.
    pub fn calls(&self) -> usize {
        self.shared.books().calls
    }

    /// How many calls were done and are kept waiting for their answer, by [`FaultKind::Hang`].
    pub fn hanging(&self) -> usize {
        self.shared.books().hanging
    }

    /// Forgets every `PayPal-Request-Id`, as PayPal does after some hours.
    pub fn forget_request_ids(&self) {
        self.shared.books().forget_request_ids();
    }

    /// Forgets every order that was not paid, as PayPal does too.
    pub fn forget_unpaid_orders(&self) {
        self.shared.books().forget_orders(false);
    }

    /// Forgets every order, which PayPal does not do.
    pub fn forget_all_orders(&self) {
        self.shared.books().forget_orders(true);
    }

    /// Pending payments have arrived.
    pub fn complete_pending(&self) {
        self.shared.books().complete_pending();
    }

    /// Until the server stops.
    pub async fn wait(mut self) {
        // An error is a panic of the server, which was shown when it happened.
        let _ = (&mut self.server).await;
    }
}

impl Drop for PayPalStub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The books, shared by the handle and the server.
#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<Books>>);

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().expect("no handler panics while it holds the books")
    }
}

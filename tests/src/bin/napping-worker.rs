//! A worker whose only job is [`Nap`].

use celeriac_tests::naps::Nap;
use celeriac_worker::{Registry, Worker};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = celeriac_worker::settings()?;
    Worker::new(Registry::new().with::<Nap>(()), settings).run_until_stopped().await
}

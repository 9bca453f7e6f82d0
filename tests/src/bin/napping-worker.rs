//! A worker whose only jobs are [`Nap`] and [`Walk`].

use celeriac_tests::naps::Nap;
use celeriac_tests::walks::Walk;
use celeriac_worker::{Registry, Worker};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = celeriac_worker::settings()?;
    Worker::new(Registry::new().with::<Nap>(()).with::<Walk>(()), settings).run_until_stopped().await
}

//! A worker of your own: one job type, none of those Celeriac ships.
//!
//! ```sh
//! REDIS_URL=redis://127.0.0.1/ cargo run -p own-worker
//! celeriac enqueue greet --args '{"name": "Ada"}' --queue default --wait
//! ```

use celeriac_worker::{Job, JobContext, JobResult, Registry, Worker};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Greet {
    name: String,
}

impl Job for Greet {
    const NAME: &'static str = "greet";
    type State = ();
    type Output = String;

    async fn run(self, _: (), ctx: JobContext) -> JobResult<String> {
        ctx.progress(50.0, "thinking of a greeting").await;
        Ok(format!("hello, {}", self.name))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = celeriac_worker::settings()?;
    let registry = Registry::new().with::<Greet>(());
    Worker::new(registry, settings).run_until_stopped().await
}

//! The helpers for users' own tests, used as a user would.

use std::time::Duration;

use celeriac_queue::{EnqueueOptions, Job, JobContext, JobError, JobResult, Policy, Registry};
use celeriac_worker::testing::{Ends, Sandbox};
use serde::{Deserialize, Serialize};

use crate::harness::redis_url;

#[derive(Serialize, Deserialize)]
struct Count {
    down_from: u32,
}

impl Job for Count {
    const NAME: &'static str = "count";
    type State = ();
    type Output = u32;

    fn policy() -> Policy {
        Policy { max_attempts: 2, ..Policy::default() }
    }

    /// Enqueues the rest of the counting; zero fails.
    async fn run(self, (): (), ctx: JobContext) -> JobResult<u32> {
        let Some(next) = self.down_from.checked_sub(1) else { return Err(JobError::Retry(anyhow::anyhow!("lift-off"))) };
        ctx.client().enqueue(&Self { down_from: next }).await?;
        Ok(next)
    }
}

#[tokio::test]
async fn a_drained_sandbox_has_run_what_was_ready_and_time_brings_the_rest() {
    let sandbox = Sandbox::open(&redis_url()).await.unwrap();
    let registry = || Registry::new().with::<Count>(());
    sandbox.client().enqueue(&Count { down_from: 3 }).await.unwrap();
    let tomorrow = EnqueueOptions { delay: Some(Duration::from_secs(86_400)), ..EnqueueOptions::default() };
    sandbox.client().enqueue_with(&Count { down_from: 1 }, tomorrow).await.unwrap();
    sandbox.assert_enqueued::<Count>(|count| count.down_from == 3).await;

    assert_eq!(sandbox.drain(registry()).await.unwrap(), Ends { finished: 3, retried: 1, ..Ends::default() });
    // The retry waits minutes at most, the other one a day.
    sandbox.advance(Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(sandbox.drain(registry()).await.unwrap(), Ends { dead: 1, ..Ends::default() });
    sandbox.advance(Duration::from_secs(86_400)).await.unwrap();
    assert_eq!(sandbox.drain(registry()).await.unwrap(), Ends { finished: 1, retried: 1, ..Ends::default() });
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn a_body_runs_inline_and_a_wrong_expectation_says_what_waits() {
    let sandbox = Sandbox::open(&redis_url()).await.unwrap();
    assert_eq!(sandbox.run(Count { down_from: 8 }, ()).await.unwrap(), 7);
    assert!(sandbox.run(Count { down_from: 0 }, ()).await.is_err());
    let waiting = sandbox.enqueued::<Count>().await;
    assert_eq!(waiting.iter().map(|count| count.down_from).collect::<Vec<_>>(), [7]);
    let wrong = tokio::spawn(async move {
        sandbox.assert_enqueued::<Count>(|count| count.down_from == 99).await;
    });
    let panic = wrong.await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains(r#"no such count waits; of that name there are 1: {"down_from":7}"#), "{message}");
}

#[tokio::test]
async fn a_closed_sandbox_leaves_nothing_behind() {
    let sandbox = Sandbox::open(&redis_url()).await.unwrap();
    let prefix = sandbox.client().connection().namespace().to_owned();
    sandbox.client().enqueue(&Count { down_from: 2 }).await.unwrap();
    sandbox.drain(Registry::new().with::<Count>(())).await.unwrap();
    sandbox.close().await.unwrap();
    let mut redis = redis::Client::open(redis_url()).unwrap().get_connection().unwrap();
    let left: Vec<String> = redis::cmd("KEYS").arg(format!("{}:*", prefix.as_str())).query(&mut redis).unwrap();
    assert!(left.is_empty(), "{left:?}");
}

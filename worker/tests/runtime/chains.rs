//! Chains: each link reads the output of the one before it.

use celeriac_queue::{EnqueueOptions, Job, JobContext, JobResult, QueueName, Registry, State};
use serde::{Deserialize, Serialize};

use crate::harness::{Stage, eventually};

#[derive(Serialize, Deserialize)]
struct Count {
    letters: usize,
}

/// Returns a text of so many letters.
#[derive(Serialize, Deserialize)]
struct Write {
    letters: usize,
}

impl Job for Write {
    const NAME: &'static str = "write";
    type State = ();
    type Output = String;

    async fn run(self, (): (), _: JobContext) -> JobResult<String> {
        Ok("x".repeat(self.letters))
    }
}

/// Counts the letters that it is handed.
#[derive(Serialize, Deserialize)]
struct Measure {}

impl Job for Measure {
    const NAME: &'static str = "measure";
    type State = ();
    type Output = Count;

    async fn run(self, (): (), ctx: JobContext) -> JobResult<Count> {
        Ok(Count { letters: ctx.input::<String>()?.len() })
    }
}

#[derive(Serialize, Deserialize)]
struct Double {}

impl Job for Double {
    const NAME: &'static str = "double";
    type State = ();
    type Output = usize;

    async fn run(self, (): (), ctx: JobContext) -> JobResult<usize> {
        Ok(ctx.input::<Count>()?.letters * 2)
    }
}

fn registry() -> Registry {
    Registry::new().with::<Write>(()).with::<Measure>(()).with::<Double>(())
}

fn elsewhere() -> EnqueueOptions {
    EnqueueOptions { queue: Some(QueueName::parse("elsewhere").unwrap()), ..EnqueueOptions::default() }
}

#[tokio::test]
async fn outputs_are_handed_from_queue_to_queue_in_order() {
    let stage = Stage::new().await;
    let mut config = stage.config();
    config.queues = vec![stage.queue.clone(), QueueName::parse("elsewhere").unwrap()];
    let worker = stage.start_with(registry(), config);
    let chain = stage.client.chain().then(&Write { letters: 21 }).then_with(&Measure {}, elsewhere()).then(&Double {});
    let (queue, last) = chain.enqueue().await.unwrap().links.pop().unwrap();
    let view = eventually("the last link has finished", async || {
        stage.inspector.job(&queue, &last).await.ok().filter(|view| view.state == State::Finished)
    })
    .await;
    assert_eq!(view.outcome.unwrap().output, Some(42.into()));
    worker.stop().await;
}

#[tokio::test]
async fn an_output_too_large_a_missing_input_and_one_of_another_shape_are_buried_in_words() {
    let stage = Stage::new().await;
    let worker = stage.start(registry());
    let too_large = stage.client.chain().then(&Write { letters: 70_000 }).then(&Measure {}).enqueue().await.unwrap();
    let other_shape = stage.client.chain().then(&Write { letters: 1 }).then(&Double {}).enqueue().await.unwrap();
    let missing = stage.enqueue(&Measure {}).await;
    for ((queue, id), words) in [
        (too_large.links[0].clone(), "70002 bytes cannot be handed to the next link"),
        (other_shape.links[1].clone(), "the output of the link before it is not what it reads"),
        ((missing.queue, missing.id), "was not enqueued as a later link of a chain"),
    ] {
        let view =
            eventually("it is dead", async || stage.inspector.job(&queue, &id).await.ok().filter(|view| view.state == State::Dead)).await;
        let reason = view.outcome.unwrap().reason.unwrap();
        assert!(reason.contains(words), "{reason}");
    }
    worker.stop().await;
}

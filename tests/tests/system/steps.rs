//! A body of steps, and a worker that is killed between two of them.

use celeriac_queue::State;
use celeriac_tests::walks::Walk;
use celeriac_tests::{System, eventually};

#[tokio::test]
async fn a_job_whose_worker_is_killed_between_two_steps_goes_on_behind_the_first() {
    let mut system = System::start().await;
    let folder = system.folder().to_owned();
    let steps = ["read", "ask", "send"].map(str::to_owned).to_vec();
    let job = system.client.enqueue(&Walk { folder: folder.clone(), steps }).await.unwrap();

    for go_on in ["ask", "send"] {
        let worker = system.process("napping-worker", &[]);
        let before = finished_steps(&system, &job).await.len();
        eventually("a step more has finished", || async {
            let finished = finished_steps(&system, &job).await;
            if finished.len() > before { Ok(()) } else { Err(finished) }
        })
        .await;
        worker.kill();
        std::fs::write(folder.join(format!("go-{go_on}")), b"").unwrap();
    }
    let _last = system.process("napping-worker", &[]);
    let view = eventually("the end of the job", || async {
        let view = system.inspector().job(&job.queue, &job.id).await.map_err(|error| error.to_string())?;
        if view.state == State::Finished { Ok(view) } else { Err(format!("{view:?}")) }
    })
    .await;
    assert_eq!(view.outcome.unwrap().output.unwrap(), "read of attempt 1;ask of attempt 2;send of attempt 3;");
    assert_eq!(std::fs::read_to_string(folder.join("journal")).unwrap(), "read\nask\nsend\n", "a finished step was run again");
    assert_eq!(system.leftovers().await, Vec::<String>::new());
    system.finish().await;
}

async fn finished_steps(system: &System, job: &celeriac_queue::Enqueued) -> Vec<String> {
    let view = system.inspector().job(&job.queue, &job.id).await.unwrap();
    view.steps.into_iter().map(|step| step.name).collect()
}

//! Dead jobs by their causes.

use celeriac_queue::{Consumer, Fingerprint};

use crate::support::{TestQueue, job};

async fn bury(queue: &TestQueue, worker: &Consumer, id: &str, reason: &str) {
    let delivery = queue.run(worker, id).await;
    worker.bury(&delivery.id, &delivery.token, "failed", reason).await.unwrap();
}

#[tokio::test]
async fn dead_jobs_are_grouped_by_what_they_died_of() {
    let queue = TestQueue::new().await;
    let (worker, inspector) = (queue.worker("w1"), queue.inspector());
    assert!(inspector.dead_groups(&queue.name, 100).await.unwrap().is_empty());
    // More than one chunk, so that the parts are put together rightly.
    for number in 0..150 {
        bury(&queue, &worker, &format!("slow-{number}"), &format!("timed out after {number} s on document {number}")).await;
        let _: u64 = queue.raw("ZADD", "dead", &[&(1_000 + number).to_string(), &format!("slow-{number}")]).await;
    }
    bury(&queue, &worker, "refused", "the key was refused").await;

    let groups = inspector.dead_groups(&queue.name, 1_000).await.unwrap();
    let [slow, refused] = &groups[..] else { panic!("two causes, not {groups:#?}") };
    assert_eq!((slow.count, slow.first_at, slow.last_at, slow.example.as_str()), (150, 1_000, 1_149, "slow-149"));
    assert_eq!(slow.reason.as_deref(), Some("timed out after 149 s on document 149"), "the newest is the example");
    assert_eq!((slow.job.as_deref(), slow.kind.as_deref()), (Some("note"), Some("failed")));
    assert_eq!((refused.count, refused.example.as_str()), (1, "refused"));
    assert_eq!(slow.fingerprint, Fingerprint::of(Some("note"), Some("failed"), Some("timed out after 3 s on document 9")));

    let of_group = inspector.dead_jobs(&queue.name, Some(&refused.fingerprint)).await.unwrap();
    assert_eq!(of_group.iter().map(|dead| dead.id.as_str()).collect::<Vec<_>>(), ["refused"]);
    assert_eq!(inspector.dead_jobs(&queue.name, None).await.unwrap().len(), 151);
    let newest = inspector.dead_groups(&queue.name, 2).await.unwrap();
    assert_eq!(newest.iter().map(|group| group.count).collect::<Vec<_>>(), [1, 1], "only the newest two were to be looked at");
}

#[tokio::test]
async fn a_dead_job_whose_bytes_nobody_can_read_is_shown_too() {
    let queue = TestQueue::new().await;
    let (worker, inspector) = (queue.worker("w1"), queue.inspector());
    bury(&queue, &worker, "a", "no").await;
    bury(&queue, &worker, "b", "no").await;
    let _: u64 = queue.raw("HSET", "jobs", &["a", &"noise".repeat(100_000)]).await;
    let _: u64 = queue.raw("HSET", "outcomes", &["b", "{"]).await;
    let groups = inspector.dead_groups(&queue.name, 10).await.unwrap();
    assert_eq!(groups.len(), 2);
    let jobs = inspector.dead_jobs(&queue.name, None).await.unwrap();
    let find = |id: &str| jobs.iter().find(|dead| dead.id == job(id)).unwrap();
    assert_eq!((find("a").job.as_deref(), find("a").reason.as_deref()), (None, Some("no")));
    assert_eq!((find("b").job.as_deref(), find("b").reason.as_deref()), (Some("note"), None));
}

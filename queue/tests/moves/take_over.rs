//! enqueue where the unique key is taken by a waiting job that takes over the arguments.

use celeriac_queue::{EnqueueOptions, Origin, Policy, Unique};

use crate::support::{TestQueue, job};

#[tokio::test]
async fn a_job_that_takes_over_arguments_stays_confirmed_and_remembered_as_it_was() {
    for (before, after) in
        [(Origin::Outbox, Origin::Cli), (Origin::Http, Origin::Outbox), (Origin::Rust, Origin::Http), (Origin::Http, Origin::Rust)]
    {
        let queue = TestQueue::new().await;
        let unique = Unique::by("k").on_conflict(celeriac_queue::Conflict::Replace);
        let put = async |options: EnqueueOptions, payload: &[u8]| {
            let options = EnqueueOptions { unique: Some(unique.clone()), queue: Some(queue.name.clone()), ..options };
            queue.client.enqueue_raw("note", payload.to_vec(), &Policy::default(), options).await.unwrap()
        };
        put(EnqueueOptions { id: Some(job("first")), origin: before, ..EnqueueOptions::default() }, b"{}").await;
        let request_id = Some(",\"origin\":\"cli\"".to_owned());
        let expires_at = Some(9_999_999_999_999);
        let answer =
            put(EnqueueOptions { origin: after, request_id: request_id.clone(), expires_at, ..EnqueueOptions::default() }, b"{\n\"n\": 2}")
                .await;
        assert!(answer.replaced);

        let claim = queue.worker("w").claim(1, 0).await.unwrap();
        let envelope = claim.deliveries[0].envelope.as_ref().unwrap();
        assert_eq!(envelope.origin, before, "after {after:?}");
        assert!(envelope.remember_ms.is_some(), "its id would be forgotten");
        assert_eq!(
            (envelope.payload.as_slice(), &envelope.request_id, envelope.expires_at),
            (&b"{\n\"n\": 2}"[..], &request_id, expires_at)
        );
    }
}

//! Payloads encrypted at rest: what lies in Redis, who can read it, and what becomes of a job whose bytes do not open.

use celeriac_queue::{
    Client, Conflict, Connection, Consumer, EnqueueOptions, Error, KeyRing, LeaseConfig, Namespace, Policy, RedisConfig, Unique, WorkerId,
};

use super::complete::done;
use crate::support::{TestQueue, claim_one, job};

const OLD: &str = "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZC0=";
const NEW: &str = "bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldy0=";
const SECRET: &str = r#"{"name":"Ada Lovelace"}"#;

/// A process that was given these keys.
struct Party {
    client: Client,
    worker: Consumer,
}

impl Party {
    async fn with(queue: &TestQueue, keys: &str) -> Self {
        let mut config = RedisConfig::new(queue.url.as_str());
        config.namespace = Namespace::parse(queue.connection.namespace().as_str()).unwrap();
        config.payload_keys = Some(KeyRing::parse(keys).unwrap());
        let connection = Connection::open(&config).await.unwrap();
        let worker = Consumer::new(connection.clone(), queue.name.clone(), WorkerId::generate("w"), LeaseConfig::default());
        Self { client: Client::new(connection), worker }
    }

    async fn enqueue(&self, id: &str) {
        let options = EnqueueOptions { id: Some(job(id)), ..EnqueueOptions::default() };
        self.client.enqueue_raw("greet", SECRET.into(), &Policy::default(), options).await.unwrap();
    }

    async fn payload_of_next(&self) -> Result<String, Error> {
        claim_one(&self.worker).await.envelope.map(|envelope| String::from_utf8(envelope.payload).unwrap())
    }
}

async fn stored(queue: &TestQueue, id: &str) -> Vec<u8> {
    queue.raw("HGET", "jobs", &[id]).await
}

#[tokio::test]
async fn redis_holds_the_name_and_not_the_arguments() {
    let queue = TestQueue::new().await;
    let party = Party::with(&queue, NEW).await;
    party.enqueue("a").await;
    let bytes = stored(&queue, "a").await;
    assert!(!String::from_utf8_lossy(&bytes).contains("Ada"), "{}", String::from_utf8_lossy(&bytes));
    let view = queue.inspector().job(&queue.name, &job("a")).await.unwrap();
    assert_eq!((view.name.as_deref(), view.payload_bytes), (Some("greet"), SECRET.len()));
    assert_eq!(view.encrypted_with.as_deref(), KeyRing::parse(NEW).unwrap().names().next());
    assert_eq!(party.payload_of_next().await.unwrap(), SECRET);
}

#[tokio::test]
async fn a_payload_at_the_cap_is_taken_and_one_byte_more_is_refused_encrypted_or_not() {
    let queue = TestQueue::new().await;
    let party = Party::with(&queue, NEW).await;
    let policy = Policy::default();
    let enqueue = |bytes: usize| party.client.enqueue_raw("greet", vec![b'1'; bytes], &policy, EnqueueOptions::default());
    enqueue(celeriac_queue::PAYLOAD_BYTES_MAX).await.unwrap();
    let refused = enqueue(celeriac_queue::PAYLOAD_BYTES_MAX + 1).await;
    assert!(matches!(refused, Err(Error::PayloadTooLarge { .. })), "{refused:?}");
}

#[tokio::test]
async fn after_a_rotation_jobs_of_the_old_key_the_new_one_and_none_are_all_read() {
    let queue = TestQueue::new().await;
    Party::with(&queue, OLD).await.enqueue("old").await;
    let rotated = Party::with(&queue, &format!("{NEW},{OLD}")).await;
    rotated.enqueue("new").await;
    queue.put("plain").await;
    assert_eq!(rotated.payload_of_next().await.unwrap(), SECRET);
    assert_eq!(rotated.payload_of_next().await.unwrap(), SECRET);
    assert_eq!(rotated.payload_of_next().await.unwrap(), "{}");
    let header = String::from_utf8_lossy(&stored(&queue, "new").await).into_owned();
    assert!(
        header.contains(KeyRing::parse(NEW).unwrap().names().next().unwrap()),
        "the new job was not written with the new key: {header}"
    );
}

#[tokio::test]
async fn a_worker_without_the_key_names_it_and_the_buried_job_runs_when_requeued() {
    let queue = TestQueue::new().await;
    let (party, stranger) = (Party::with(&queue, NEW).await, Party::with(&queue, OLD).await);
    party.enqueue("a").await;
    let delivery = claim_one(&stranger.worker).await;
    let reason = delivery.envelope.unwrap_err().to_string();
    assert!(reason.contains(KeyRing::parse(NEW).unwrap().names().next().unwrap()), "{reason}");
    stranger.worker.bury(&delivery.id, &delivery.token, "undecodable", &reason).await.unwrap();
    let notice = stranger.worker.claim(0, 1).await.unwrap().notices.pop().unwrap();
    assert!(notice.key_missing && notice.envelope.is_none(), "a worker with the key could not be waited for: {notice:?}");
    assert!(party.client.requeue(&queue.name, &delivery.id).await.unwrap());
    assert_eq!(party.payload_of_next().await.unwrap(), SECRET);
}

#[tokio::test]
async fn bytes_that_were_changed_or_moved_to_another_job_do_not_open() {
    let queue = TestQueue::new().await;
    let party = Party::with(&queue, NEW).await;
    for id in ["a", "b"] {
        party.enqueue(id).await;
    }
    let mut changed = stored(&queue, "a").await;
    queue.store_envelope("b", &changed).await;
    *changed.last_mut().unwrap() ^= 1;
    queue.store_envelope("a", &changed).await;
    for _ in ["a", "b"] {
        let opened = party.payload_of_next().await;
        assert!(matches!(opened, Err(Error::Sealed { .. })), "{opened:?}");
    }
}

#[tokio::test]
async fn a_requeued_job_whose_header_lost_its_deadline_still_opens() {
    let queue = TestQueue::new().await;
    let party = Party::with(&queue, NEW).await;
    let options = EnqueueOptions { id: Some(job("a")), expires_at: Some(1), ..EnqueueOptions::default() };
    party.client.enqueue_raw("greet", SECRET.into(), &Policy::default(), options).await.unwrap();
    let delivery = claim_one(&party.worker).await;
    party.worker.expire(&delivery.id, &delivery.token).await.unwrap();
    party.client.requeue(&queue.name, &delivery.id).await.unwrap();
    let delivery = claim_one(&party.worker).await;
    assert_eq!(delivery.envelope.as_ref().unwrap().expires_at, None);
    assert_eq!(delivery.envelope.as_ref().unwrap().payload, SECRET.as_bytes());
    party.worker.complete(&[done(&delivery, 0)]).await.unwrap();
}

#[tokio::test]
async fn arguments_that_took_another_jobs_place_open_under_its_id() {
    let queue = TestQueue::new().await;
    let party = Party::with(&queue, NEW).await;
    for (id, arguments) in [("first", "{}"), ("second", SECRET)] {
        let unique = Some(Unique::by("k").on_conflict(Conflict::Replace));
        let options = EnqueueOptions { id: Some(job(id)), unique, ..EnqueueOptions::default() };
        party.client.enqueue_raw("greet", arguments.into(), &Policy::default(), options).await.unwrap();
    }
    let delivery = claim_one(&party.worker).await;
    assert_eq!((delivery.id, delivery.envelope.unwrap().payload), (job("first"), SECRET.as_bytes().to_vec()));
}

//! Unique jobs: how long a job has its unique key, and what becomes of an enqueue that finds it taken.

use celeriac_queue::{Conflict, Consumer, Delivery, EnqueueOptions, Enqueued, State, Unique, UniqueScope};

use super::complete::done;
use crate::support::{MINUTE, TestQueue, claim_one, claim_suspect, expect, ids, job, tell_all};

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
const SCOPES: [UniqueScope; 3] = [UniqueScope::Queued, UniqueScope::Running, UniqueScope::Period(HOUR)];
const CONFLICTS: [Conflict; 3] = [Conflict::Reject, Conflict::Replace, Conflict::KeepLast];

fn unique(scope: UniqueScope, conflict: Conflict) -> EnqueueOptions {
    EnqueueOptions { unique: Some(Unique::by("u").scope(scope).on_conflict(conflict)), ..EnqueueOptions::default() }
}

fn running() -> EnqueueOptions {
    unique(UniqueScope::Running, Conflict::Reject)
}

fn later(options: EnqueueOptions, minutes: u32) -> EnqueueOptions {
    EnqueueOptions { delay: Some(minutes * MINUTE), ..options }
}

/// Enqueues `note <arguments>`.
async fn put(queue: &TestQueue, id: &str, arguments: &str, options: EnqueueOptions) -> Enqueued {
    let options = EnqueueOptions { id: Some(job(id)), ..options };
    queue.client.enqueue_raw("note", arguments.as_bytes().to_vec(), &Default::default(), options).await.unwrap()
}

async fn complete(worker: &Consumer, delivery: &Delivery) {
    worker.complete(&[done(delivery, 60)]).await.unwrap();
}

/// Who has the unique key `u`.
async fn holder(queue: &TestQueue) -> Option<String> {
    queue.state().await;
    queue.snapshot().await.hash("uniques").get("u").map(|id| String::from_utf8(id.clone()).unwrap())
}

#[tokio::test]
async fn each_scope_meets_each_conflict_as_it_says_while_the_holder_waits_runs_and_has_ended() {
    for scope in SCOPES {
        for conflict in CONFLICTS {
            for stage in ["waits", "runs", "has ended"] {
                let queue = TestQueue::new().await;
                let worker = queue.worker("w1");
                put(&queue, "a", "1", unique(scope, conflict)).await;
                if stage != "waits" {
                    let delivery = claim_one(&worker).await;
                    if stage == "has ended" {
                        complete(&worker, &delivery).await;
                    }
                }
                let before = queue.state().await;
                let answer = put(&queue, "b", "2", unique(scope, conflict)).await;
                let what = format!("{scope:?}, {conflict:?}, when the holder {stage}");
                let is_taken = match scope {
                    UniqueScope::Queued => stage == "waits",
                    UniqueScope::Running => stage != "has ended",
                    UniqueScope::Period(_) => true,
                };
                let takes_over = is_taken && stage == "waits" && conflict != Conflict::Reject;
                assert_eq!((answer.duplicate, answer.replaced), (is_taken, takes_over), "{what}");
                assert_eq!(answer.id.as_str(), if is_taken { "a" } else { "b" }, "{what}");
                let stored = queue.snapshot().await.hash("jobs");
                let is_new = String::from_utf8_lossy(&stored["a"]).ends_with('2');
                assert_eq!((is_new, stored.contains_key("b")), (takes_over, !is_taken), "{what}");
                if is_taken && !takes_over {
                    assert_eq!(queue.state().await, before, "{what}");
                }
                assert_eq!(holder(&queue).await.as_deref(), Some(answer.id.as_str()), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_unique_job_leaves_nothing_behind_when_it_has_ended() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    put(&queue, "a", "{}", running()).await;
    let held = r#"extras a={"unique":{"key":"u","scope":"running","conflict":"reject"}}"#;
    assert_eq!(
        queue.state().await,
        expect(&format!("jobs a\n {held}\n ready:5 a\n uniques u=a\n stats enqueued=1\n wake 1")),
        "a unique job without a key waits in the default ready list"
    );
    let delivery = claim_one(&worker).await;
    let no_record = celeriac_queue::Completion { remember_ms: 0, ..done(&delivery, 0) };
    worker.complete(&[no_record]).await.unwrap();
    assert_eq!(queue.state().await, expect("meta touched@now\n stats enqueued=1 finished=1\n wake 1"));
}

#[tokio::test]
async fn whichever_way_it_ends_a_job_lets_go_of_its_unique_key() {
    let ways = ["complete", "bury", "expire", "cancel", "cancel waiting", "cancel scheduled", "cancel lost", "cancel suspect", "poison"];
    for way in ways {
        let queue = TestQueue::new().await;
        let worker = queue.worker("w1");
        let options = if way == "cancel scheduled" { later(running(), 1) } else { running() };
        put(&queue, "a", "{}", options).await;
        let cancel = async || queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap();
        let lose = async || {
            queue.put_in_the_past("running", "a", 1).await;
            worker.claim(0, 0).await.unwrap();
        };
        if way.starts_with("cancel waiting") || way == "cancel scheduled" {
            cancel().await;
        } else {
            let delivery = claim_one(&worker).await;
            let (id, token) = (&delivery.id, delivery.token.as_str());
            match way {
                "complete" => complete(&worker, &delivery).await,
                "bury" => drop(worker.bury(id, token, "failed", "no luck").await.unwrap()),
                "expire" => drop(worker.expire(id, token).await.unwrap()),
                "cancel" => drop(worker.cancel(id, token, "enough").await.unwrap()),
                "cancel lost" => {
                    cancel().await;
                    lose().await;
                }
                "cancel suspect" => {
                    lose().await;
                    assert_eq!(holder(&queue).await.as_deref(), Some("a"), "a suspect has its key");
                    cancel().await;
                }
                _ => {
                    for _ in 0..2 {
                        lose().await;
                        claim_suspect(&worker).await;
                    }
                    lose().await;
                }
            }
        }
        assert_eq!(holder(&queue).await, None, "{way}");
        assert!(!put(&queue, "b", "{}", running()).await.duplicate, "{way}");
    }
}

#[tokio::test]
async fn retries_and_snoozes_keep_the_key_of_a_running_job_and_not_of_a_queued_one() {
    for (scope, kept) in [(UniqueScope::Running, Some("a")), (UniqueScope::Queued, None)] {
        for by_retry in [true, false] {
            let queue = TestQueue::new().await;
            let worker = queue.worker("w1");
            put(&queue, "a", "{}", unique(scope, Conflict::Reject)).await;
            let delivery = claim_one(&worker).await;
            let (id, token) = (&delivery.id, delivery.token.as_str());
            let settled = if by_retry { worker.retry(id, token, MINUTE, "no luck").await } else { worker.snooze(id, token, MINUTE).await };
            settled.unwrap();
            assert_eq!(holder(&queue).await.as_deref(), kept, "{scope:?}");
        }
    }
}

#[tokio::test]
async fn in_one_call_the_first_of_several_has_the_key_and_the_last_arguments_count_where_they_replace() {
    for (conflict, arguments) in [(Conflict::Reject, "0"), (Conflict::Replace, "2")] {
        let queue = TestQueue::new().await;
        let options = |id: &str| EnqueueOptions { id: Some(job(id)), ..unique(UniqueScope::Running, conflict) };
        let jobs = ["a", "b", "c"].iter().enumerate().map(|(n, id)| ("note".to_owned(), n.to_string().into_bytes(), options(id)));
        let answers = queue.client.enqueue_many(&queue.name, jobs.collect(), &Default::default()).await.unwrap();
        let replaced = conflict != Conflict::Reject;
        let seen: Vec<_> = answers.iter().map(|answer| (answer.id.as_str(), answer.duplicate, answer.replaced)).collect();
        assert_eq!(seen, [("a", false, false), ("a", true, replaced), ("a", true, replaced)]);
        let extra = format!(r#"{{"unique":{{"key":"u","scope":"running","conflict":"{}"}}}}"#, if replaced { "replace" } else { "reject" });
        assert_eq!(
            queue.state().await,
            expect(&format!("jobs a(note {arguments})\n extras a={extra}\n ready:5 a\n uniques u=a\n stats enqueued=1\n wake 1"))
        );
    }
}

#[tokio::test]
async fn keep_last_moves_the_moment_and_replace_does_not() {
    for (conflict, due) in [(Conflict::KeepLast, "+5m"), (Conflict::Replace, "+1m")] {
        let queue = TestQueue::new().await;
        let options = unique(UniqueScope::Queued, conflict);
        put(&queue, "a", "1", later(options.clone(), 1)).await;
        assert!(queue.take_token().await);
        assert!(put(&queue, "b", "2", later(options.clone(), 5)).await.replaced);
        let extra = format!(
            r#"{{"unique":{{"key":"u","scope":"queued","conflict":"{}"}}}}"#,
            if conflict == Conflict::KeepLast { "keep_last" } else { "replace" }
        );
        let wake = if conflict == Conflict::KeepLast { "wake 1" } else { "" };
        let state = expect(&format!(
            "jobs a(note 2)
             scheduled a@{due}
             extras a={extra}
             uniques u=a
             stats enqueued=1
             {wake}"
        ));
        assert_eq!(queue.state().await, state);
        assert!(put(&queue, "c", "2", options).await.replaced);
        assert_eq!(queue.state().await, state, "what is due at once does not make a burst end sooner");
    }
}

#[tokio::test]
async fn a_ready_job_that_takes_over_arguments_keeps_its_place() {
    for conflict in [Conflict::Replace, Conflict::KeepLast] {
        let queue = TestQueue::new().await;
        let worker = queue.worker("w1");
        put(&queue, "a", "1", unique(UniqueScope::Queued, conflict)).await;
        queue.put("other").await;
        assert!(put(&queue, "b", "2", later(unique(UniqueScope::Queued, conflict), 5)).await.replaced);
        let claimed = worker.claim(5, 0).await.unwrap().deliveries;
        assert_eq!(ids(&claimed), ["a", "other"]);
        assert_eq!(claimed[0].envelope.as_ref().unwrap().payload, b"2");
        queue.state().await;
    }
}

#[tokio::test]
async fn when_a_period_is_over_the_key_is_free_and_prune_forgets_it() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let options = || unique(UniqueScope::Period(HOUR), Conflict::Reject);
    put(&queue, "a", "{}", options()).await;
    let delivery = claim_one(&worker).await;
    let no_record = celeriac_queue::Completion { remember_ms: 0, ..done(&delivery, 0) };
    worker.complete(&[no_record]).await.unwrap();
    queue.take_token().await;
    assert_eq!(queue.state().await, expect("uniques u=a\n unique_until u@+1h\n meta touched@now\n stats enqueued=1 finished=1"));
    assert_eq!(put(&queue, "b", "{}", options()).await.id, job("a"), "a job that is gone still has it");
    assert_eq!(worker.prune().await.unwrap(), 0);

    queue.put_in_the_past("unique_until", "u", 1).await;
    assert!(!put(&queue, "b", "{}", options()).await.duplicate);
    assert_eq!(holder(&queue).await.as_deref(), Some("b"));
    let delivery = claim_one(&worker).await;
    complete(&worker, &delivery).await;
    queue.put_in_the_past("unique_until", "u", 1).await;
    assert_eq!(worker.prune().await.unwrap(), 1);
    let snapshot = queue.snapshot().await;
    assert!(!snapshot.keys.contains_key("uniques") && !snapshot.keys.contains_key("unique_until"));
    queue.state().await;
}

#[tokio::test]
async fn a_key_held_for_a_period_may_be_taken_for_a_run_when_that_is_over() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    put(&queue, "a", "{}", unique(UniqueScope::Period(HOUR), Conflict::Reject)).await;
    queue.put_in_the_past("unique_until", "u", 1).await;
    assert!(!put(&queue, "b", "{}", running()).await.duplicate);
    assert!(!queue.snapshot().await.keys.contains_key("unique_until"), "the old period would free the new holder's key");
    assert_eq!(worker.prune().await.unwrap(), 0);
    let claimed = worker.claim(5, 0).await.unwrap().deliveries;
    complete(&worker, &claimed[0]).await;
    assert_eq!(holder(&queue).await.as_deref(), Some("b"), "another's end does not free it");
    complete(&worker, &claimed[1]).await;
    assert_eq!(holder(&queue).await, None);
}

#[tokio::test]
async fn a_requeued_job_has_its_key_again_unless_another_has_it() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    put(&queue, "a", "{}", running()).await;
    let delivery = claim_one(&worker).await;
    complete(&worker, &delivery).await;
    queue.client.requeue(&queue.name, &job("a")).await.unwrap();
    assert_eq!(holder(&queue).await.as_deref(), Some("a"));
    let delivery = claim_one(&worker).await;
    complete(&worker, &delivery).await;

    put(&queue, "b", "{}", running()).await;
    queue.client.requeue(&queue.name, &job("a")).await.unwrap();
    assert_eq!(holder(&queue).await.as_deref(), Some("b"));
    let claimed = worker.claim(5, 0).await.unwrap().deliveries;
    assert_eq!(ids(&claimed), ["b", "a"]);
    complete(&worker, &claimed[1]).await;
    assert_eq!(holder(&queue).await.as_deref(), Some("b"));
}

#[tokio::test]
async fn an_id_that_is_known_is_a_duplicate_whoever_has_its_unique_key() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    put(&queue, "a", "1", unique(UniqueScope::Queued, Conflict::Replace)).await;
    let delivery = claim_one(&worker).await;
    put(&queue, "b", "2", unique(UniqueScope::Queued, Conflict::Replace)).await;
    let before = queue.state().await;
    for _ in 0..2 {
        let answer = put(&queue, "a", "3", unique(UniqueScope::Queued, Conflict::Replace)).await;
        assert_eq!((answer.id.as_str(), answer.duplicate, answer.replaced), ("a", true, false));
        assert_eq!(queue.state().await, before);
    }
    complete(&worker, &delivery).await;
    tell_all(&worker).await;
    queue.put_in_the_past("finished", "a", 1).await;
    worker.prune().await.unwrap();
    let answer = put(&queue, "a", "3", unique(UniqueScope::Queued, Conflict::Replace)).await;
    assert!(answer.duplicate && !answer.replaced, "an id that is remembered");
}

#[tokio::test]
async fn by_its_arguments_the_same_job_is_enqueued_once() {
    let queue = TestQueue::new().await;
    let options = |id: &str| EnqueueOptions { id: Some(job(id)), unique: Some(Unique::by_arguments()), ..EnqueueOptions::default() };
    let put = async |id: &str, name: &str, arguments: &str| {
        let policy = Default::default();
        let put = queue.client.enqueue_raw(name, arguments.as_bytes().to_vec(), &policy, options(id));
        put.await.unwrap().duplicate
    };
    assert!(!put("a", "note", r#"{"a":1,"b":2}"#).await);
    assert!(put("b", "note", r#"{"b": 2, "a": 1}"#).await);
    assert!(!put("c", "note", r#"{"a":1,"b":3}"#).await);
    assert!(!put("d", "memo", r#"{"a":1,"b":2}"#).await);
    assert_eq!(queue.inspector().list(&queue.name, State::Ready, 10).await.unwrap().len(), 3);
    queue.state().await;
}

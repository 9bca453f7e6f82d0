//! Arguments are encrypted in Redis on the whole way from the outbox to a worker.

use celeriac_queue::{JobId, QueueName, State};
use celeriac_tests::{System, eventually};

const KEY: &str = "cGF5bG9hZC1leGFtcGxlLWtleS0zMi1ieXRlcyEhISE=";
const ANOTHER: &str = "YW5vdGhlci1leGFtcGxlLWtleS0zMi1ieXRlcyEhISE=";

#[tokio::test]
async fn a_job_of_the_outbox_lies_encrypted_in_redis_and_runs_on_the_worker_that_has_the_key() {
    let mut system = System::start().await;
    system.set("PAYLOAD_ENCRYPTION_KEYS", KEY);
    let (queue, id) = (QueueName::default(), JobId::parse("secret-1").unwrap());
    let state_is = async |system: &System, state: State| {
        let found = system.inspector().job(&queue, &id).await.map_err(|error| error.to_string())?;
        if found.state == state { Ok(found) } else { Err(format!("{found:?}")) }
    };

    sqlx::query("select celeriac.enqueue('greet', '{\"name\": \"Ada\"}', id => 'secret-1')").execute(&system.pool).await.unwrap();
    let _scheduler = system.scheduler();
    eventually("the job in Redis", || state_is(&system, State::Ready)).await;
    let jobs = format!("{}:{{{queue}}}:jobs", system.connection().namespace().as_str());
    let stored: Vec<u8> = redis::cmd("HGET").arg(jobs).arg(id.as_str()).query_async(&mut system.raw_redis().await).await.unwrap();
    let stored = String::from_utf8_lossy(&stored);
    assert!(stored.contains("greet") && !stored.contains("Ada"), "{stored}");

    system.set("PAYLOAD_ENCRYPTION_KEYS", ANOTHER);
    let stranger = system.process("own-worker", &[]);
    let dead = eventually("it buried by the worker without the key", || state_is(&system, State::Dead)).await;
    let outcome = dead.outcome.unwrap();
    assert_eq!(outcome.kind.as_deref(), Some("undecodable"));
    let (key, reason) = (dead.encrypted_with.unwrap(), outcome.reason.unwrap());
    assert!(reason.contains(&key) && reason.contains("PAYLOAD_ENCRYPTION_KEYS"), "{reason}");
    stranger.kill();

    system.set("PAYLOAD_ENCRYPTION_KEYS", format!("{ANOTHER},{KEY}"));
    let _worker = system.process("own-worker", &[]);
    let (done, told, said) = system.celeriac(&["job", "retry", "secret-1"]).await;
    assert!(done, "{told}{said}");
    eventually("it confirmed", || async {
        let outcome: Option<String> =
            sqlx::query_scalar("select outcome from celeriac.outbox where id = 'secret-1'").fetch_one(&system.pool).await.unwrap();
        if outcome.as_deref() == Some("finished") { Ok(()) } else { Err(outcome) }
    })
    .await;
    system.finish().await;
}

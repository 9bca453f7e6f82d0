//! For the tests of programs that enqueue: what waits in a queue, and time that passes at a word. A worker's side is in
//! `celeriac_worker::testing`.

use std::time::Duration;

use crate::keys::Key;
use crate::{Client, Envelope, Error, Inspector, Job, JobView, QueueName, State, scripts};

/// Jobs of each state that are looked at.
const LOOKED_AT: usize = 1_000;

/// As if so much time had passed for that queue: delayed jobs fall due, buckets fill, records and unique keys age, deadlines come nearer.
/// Leases stay as they are.
///
/// # Errors
/// [`Error::Redis`].
pub async fn advance(client: &Client, queue: &QueueName, by: Duration) -> Result<(), Error> {
    let keys = client.connection().namespace().queue(queue);
    scripts::advance(client.connection(), &keys, by.as_millis() as u64).await
}

/// The jobs of that type which wait in a queue, ready or scheduled, at most 1,000 of each, with their arguments. Those whose arguments
/// cannot be read as that type are passed over.
///
/// # Errors
/// [`Error::Redis`].
pub async fn enqueued<J: Job>(client: &Client, queue: &QueueName) -> Result<Vec<(JobView, J)>, Error> {
    let connection = client.connection();
    let keys = connection.namespace().queue(queue);
    let inspector = Inspector::new(connection.clone());
    let mut found = Vec::new();
    for state in [State::Ready, State::Scheduled] {
        for view in inspector.list(queue, state, LOOKED_AT).await? {
            if view.name.as_deref() != Some(J::NAME) {
                continue;
            }
            let mut get = redis::cmd("HGET");
            get.arg(keys.get(Key::Jobs)).arg(view.id.as_str());
            let bytes: Option<Vec<u8>> = get.query_async(&mut connection.shared()).await?;
            let envelope = bytes.and_then(|bytes| Envelope::decode(&bytes, &view.id, connection.payload_keys()).ok());
            if let Some(job) = envelope.and_then(|envelope| serde_json::from_slice(&envelope.payload).ok()) {
                found.push((view, job));
            }
        }
    }
    Ok(found)
}

/// Drops everything of that queue.
///
/// # Errors
/// [`Error::Redis`].
pub async fn wipe(client: &Client, queue: &QueueName) -> Result<(), Error> {
    let namespace = client.connection().namespace();
    scripts::wipe(client.connection(), &namespace.queue(queue)).await?;
    redis::cmd("SREM").arg(namespace.queues()).arg(queue.as_str()).exec_async(&mut client.connection().shared()).await?;
    Ok(())
}

//! Hears of running jobs that somebody wants cancelled.
//!
//! It does not interrupt by itself: the message bears an id, and two queues may know the same one. It makes the heartbeat beat at once,
//! whose answer says for each lease whether its end was asked for. What is missed while the line is down comes with the next beat anyway.

use std::sync::Arc;

use celeriac_queue::{CancelListener, Connection, QueueName};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::held::Held;
use crate::patience::pause_after;
use crate::trouble::Trouble;

const DUTY: &str = "listening for cancellations";

pub(crate) struct Cancels {
    pub(crate) connection: Connection,
    pub(crate) queues: Vec<QueueName>,
    pub(crate) held: Held,
    pub(crate) heartbeat: Arc<Notify>,
    pub(crate) trouble: Trouble,
}

impl Cancels {
    pub(crate) async fn run(self, end: CancellationToken) {
        tokio::select! {
            () = self.listen() => {}
            () = end.cancelled() => {}
        }
    }

    async fn listen(&self) {
        let mut failures = 0;
        loop {
            match CancelListener::subscribe(&self.connection, &self.queues).await {
                Ok(mut listener) => {
                    failures = 0;
                    self.trouble.ends(DUTY);
                    // Whatever was asked for while nobody listened.
                    self.heartbeat.notify_one();
                    while let Some(id) = listener.next().await {
                        if self.held.has(&id) {
                            self.heartbeat.notify_one();
                        }
                    }
                }
                Err(error) => self.trouble.begins(DUTY, error),
            }
            failures += 1;
            tokio::time::sleep(pause_after(failures)).await;
        }
    }
}

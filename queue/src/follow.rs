//! What a job says while it runs: its log and progress, stored and live.

use serde::{Deserialize, Serialize};

use crate::keys::Key;
use crate::scripts::{self, WaitReply};
use crate::wait::Subscription;
use crate::{Client, Error, Inspector, JobId, Millis, Outcome, QueueName};

/// One line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// From 1, over all attempts. Only the last 200 lines are kept.
    #[serde(default)]
    pub number: u64,
    /// By the worker's clock.
    pub at: Millis,
    /// Which attempt said it, from 1.
    pub attempt: u32,
    /// At most 1,000 characters.
    pub message: String,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 to 100.
    pub percent: f32,
    pub message: String,
    /// The step of a longer job that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// What a follower of a job hears.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Log(LogLine),
    Progress(Progress),
    /// The last one.
    Ended(Outcome),
}

/// Hears a job as it speaks: first what is stored, then what comes, its end last.
pub struct Follower {
    id: JobId,
    ended_channel: String,
    stored: std::collections::VecDeque<Event>,
    heard: u64,
    live: Option<Subscription>,
}

impl Client {
    /// Follows a job to its end, without polling.
    ///
    /// # Errors
    /// [`Error::NoSuchJob`], [`Error::Redis`].
    pub async fn follow(&self, queue: &QueueName, id: &JobId) -> Result<Follower, Error> {
        let keys = self.connection().namespace().queue(queue);
        let ended_channel = keys.get(Key::EndedChannel).to_owned();
        // Listen first, look second: what is said between the two would be missed the other way round.
        let live = Subscription::begin(self.connection(), &[keys.live(), ended_channel.clone()]).await?;
        let waiting = scripts::wait(self.connection(), &keys, id).await?;
        let inspector = Inspector::new(self.connection().clone());
        let mut follower = Follower { id: id.clone(), ended_channel, stored: Default::default(), heard: 0, live: Some(live) };
        for line in inspector.log(queue, id).await? {
            follower.heard = line.number;
            follower.stored.push_back(Event::Log(line));
        }
        match waiting {
            WaitReply::Missing => return Err(Error::NoSuchJob { queue: queue.clone(), id: id.clone() }),
            WaitReply::Noted => {
                let progress = inspector.job(queue, id).await?.progress;
                follower.stored.extend(progress.and_then(|json| serde_json::from_value(json).ok()).map(Event::Progress));
            }
            WaitReply::Ended(json) => {
                follower.stored.push_back(Event::Ended(outcome(&json)?));
                follower.live = None;
            }
        }
        Ok(follower)
    }
}

impl Follower {
    /// The next thing it says; `None` after its end.
    ///
    /// # Errors
    /// [`Error::Redis`] when the line broke: follow again, the stored lines come once more.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        if let Some(event) = self.stored.pop_front() {
            return Ok(Some(event));
        }
        loop {
            let Some(live) = &mut self.live else { return Ok(None) };
            let Some(message) = live.next().await else {
                let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                return Err(redis::RedisError::from(broken).into());
            };
            let text = message.get_payload::<String>()?;
            let Some((_, said)) = text.split_once('\n').filter(|(id, _)| *id == self.id.as_str()) else { continue };
            if message.get_channel_name() == self.ended_channel {
                self.live = None;
                return Ok(Some(Event::Ended(outcome(said)?)));
            }
            match event(said) {
                Some(Event::Log(line)) if line.number <= self.heard => {}
                Some(event) => return Ok(Some(event)),
                None => {}
            }
        }
    }
}

impl Inspector {
    /// The last 200 lines of a job's log, oldest first; empty when there is none.
    pub async fn log(&self, queue: &QueueName, id: &JobId) -> Result<Vec<LogLine>, Error> {
        let key = self.connection().namespace().queue(queue).log_of(id);
        let lines: Vec<String> = redis::cmd("LRANGE").arg(key).arg(0).arg(-1).query_async(&mut self.connection().shared()).await?;
        Ok(lines.iter().filter_map(|line| log_line(line)).collect())
    }
}

fn outcome(json: &str) -> Result<Outcome, Error> {
    serde_json::from_str(json).map_err(|error| Error::Decode(error.to_string()))
}

/// As published: `log <number> <JSON>` or `progress <JSON>`.
fn event(said: &str) -> Option<Event> {
    match said.split_once(' ')? {
        ("log", line) => log_line(line).map(Event::Log),
        ("progress", json) => serde_json::from_str(json).ok().map(Event::Progress),
        _ => None,
    }
}

/// As stored: `<number> <JSON>`.
fn log_line(text: &str) -> Option<LogLine> {
    let (number, json) = text.split_once(' ')?;
    let line: LogLine = serde_json::from_str(json).ok()?;
    Some(LogLine { number: number.parse().ok()?, ..line })
}

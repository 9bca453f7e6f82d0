//! What queue and reference are compared by.

use std::collections::{BTreeMap, BTreeSet};

use celeriac_queue::{Envelope, JobId, Outcome, State};

use super::reference::{Job, Place, Reference, Told};
use crate::support::Snapshot;

#[derive(Debug, PartialEq)]
pub(crate) struct View {
    /// By lane, each in its order.
    ready: BTreeMap<String, Vec<String>>,
    suspects: Vec<String>,
    arguments: BTreeMap<String, String>,
    /// Who has which unique key.
    uniques: BTreeMap<String, String>,
    scheduled: BTreeSet<String>,
    /// With the token of the delivery that holds each.
    running: BTreeMap<String, String>,
    ended: BTreeMap<String, State>,
    /// Attempts, losses, snoozes; only where one of them is not zero.
    tries: BTreeMap<String, String>,
    /// Lengths of the histories.
    histories: BTreeMap<String, usize>,
    to_be_cancelled: BTreeSet<String>,
    notices: BTreeSet<String>,
    seen: BTreeSet<String>,
    counts: BTreeMap<String, u64>,
}

impl View {
    pub(crate) fn of_queue(snapshot: &Snapshot) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ended = snapshot.hash("outcomes").into_iter().map(|(id, json)| (id, serde_json::from_slice::<Outcome>(&json).unwrap().state));
        let tries = snapshot.hash("tries").into_iter().map(|(id, counts)| (id, text(counts)));
        let histories = snapshot.keys.keys().filter_map(|key| Some((key.strip_prefix("history:")?.to_owned(), snapshot.list(key).len())));
        let mut ready: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (lane, id) in snapshot.ready() {
            ready.entry(lane).or_default().push(id);
        }
        let arguments = snapshot.hash("jobs").into_iter().map(|(id, bytes)| {
            let envelope = Envelope::decode(&bytes, &JobId::parse(&id).unwrap(), None).unwrap();
            (id, text(envelope.payload))
        });
        let until: BTreeMap<String, f64> = snapshot.zset("unique_until").into_iter().collect();
        let is_over = |key: &String| until.get(key).is_some_and(|until| *until <= snapshot.now as f64);
        let uniques = snapshot.hash("uniques").into_iter().filter(|(key, _)| !is_over(key));
        Self {
            ready,
            suspects: snapshot.list("suspects"),
            arguments: arguments.collect(),
            uniques: uniques.map(|(key, holder)| (key, text(holder))).collect(),
            scheduled: snapshot.members("scheduled"),
            running: snapshot.hash("leases").into_iter().map(|(id, token)| (id, text(token))).collect(),
            ended: ended.collect(),
            tries: tries.filter(|(_, counts)| counts != "0 0 0").collect(),
            histories: histories.collect(),
            to_be_cancelled: snapshot.fields("cancels"),
            notices: snapshot.members("notices"),
            seen: snapshot.members("seen"),
            counts: snapshot.hash("stats").into_iter().map(|(what, count)| (what, text(count).parse().unwrap())).collect(),
        }
    }

    /// `tokens`: of each delivery by its number.
    pub(crate) fn of_reference(reference: &Reference, tokens: &[&str]) -> Self {
        let jobs = || reference.jobs.iter().map(|(id, job)| (id.clone(), job));
        let ids_where = |holds: &dyn Fn(&Job) -> bool| jobs().filter(|(_, job)| holds(job)).map(|(id, _)| id).collect();
        let lanes = reference.lanes.iter().filter(|(_, ids)| !ids.is_empty());
        let uniques = reference.uniques.iter().filter(|(_, hold)| !hold.over);
        let tries = jobs().map(|(id, job)| (id, format!("{} {} {}", job.attempts, job.losses, job.snoozes)));
        let counts = reference.counts.iter().map(|(what, count)| ((*what).to_owned(), *count));
        Self {
            ready: lanes.map(|(lane, ids)| (lane.clone(), ids.iter().cloned().collect())).collect(),
            suspects: reference.suspects.iter().cloned().collect(),
            arguments: jobs().map(|(id, job)| (id, job.arguments.to_string())).collect(),
            uniques: uniques.map(|(key, hold)| ((*key).to_owned(), hold.holder.clone())).collect(),
            scheduled: ids_where(&|job| matches!(job.place, Place::Scheduled(_))),
            running: jobs()
                .filter_map(|(id, job)| match job.place {
                    Place::Running(delivery, _) => Some((id, tokens[delivery].to_owned())),
                    _ => None,
                })
                .collect(),
            ended: jobs()
                .filter_map(|(id, job)| match job.place {
                    Place::Ended(state) => Some((id, state)),
                    _ => None,
                })
                .collect(),
            tries: tries.filter(|(_, counts)| counts != "0 0 0").collect(),
            histories: jobs().filter(|(_, job)| job.history > 0).map(|(id, job)| (id, job.history)).collect(),
            to_be_cancelled: ids_where(&|job| job.cancel_asked),
            notices: ids_where(&|job| job.notice != Told::NothingToTell),
            seen: reference.seen.clone(),
            counts: counts.collect(),
        }
    }
}

//! `POST /v1/responses`: from a request to an answer, or to what is sent in its place.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::answer;
use super::counters::DIGESTS_MAX;
use super::fault::Fault;
use super::refusals;
use super::reply::{self, Reply};
use super::request::{self, Request};
use super::server::refuse_key;
use super::state::{InFlight, Inner, Shared};

pub(super) async fn respond(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let in_flight = InFlight::enter(&shared);
    let started = Instant::now();
    let number = count(&mut shared.lock(), &body, started);
    let Decision { outcome, latency, reply } = decide(&shared, &headers, &body, number);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let quota = {
        let mut inner = shared.lock();
        *inner.counters.outcomes.entry(outcome).or_default() += 1;
        inner.quota.headers(Instant::now())
    };
    let mut response = reply.send(Some(in_flight)).await;
    let took = ("openai-processing-ms", started.elapsed().as_millis().to_string());
    reply::add(&mut response, quota.into_iter().chain([took]));
    response
}

struct Decision {
    outcome: String,
    latency: Duration,
    reply: Reply,
}

impl Decision {
    fn at_once(outcome: &str, reply: Reply) -> Self {
        Self { outcome: outcome.to_owned(), latency: Duration::ZERO, reply }
    }
}

/// The number of this request, from 0.
fn count(inner: &mut Inner, body: &[u8], now: Instant) -> u64 {
    let number = inner.counters.requests;
    inner.counters.requests += 1;
    inner.all.add(now, 1);
    if inner.counters.digests.len() < DIGESTS_MAX {
        inner.counters.digests.push(hex::encode(Sha256::digest(body)));
    }
    number
}

fn decide(shared: &Shared, headers: &HeaderMap, body: &[u8], number: u64) -> Decision {
    if let Some(refusal) = refuse_key(headers) {
        return Decision::at_once("unauthorized", refusal);
    }
    // Outside the lock: a request with pictures takes a while to read.
    let request = match request::read(body) {
        Ok(request) => request,
        Err(sentence) => return Decision::at_once("bad_request", refusals::bad_request(&sentence)),
    };
    let mut inner = shared.lock();
    note(&mut inner, &request);
    let (now, tokens) = (Instant::now(), request.tokens_reserved());
    if let Err(refusal) = inner.quota.admit(tokens, &request.model, now) {
        return Decision::at_once("limited", refusal);
    }
    inner.admitted.add(now, 1);
    inner.tokens.add(now, tokens);
    let latency = inner.chance.latency(number, inner.latency, inner.latency_max);
    let fault = choose(&mut inner, &request, number);
    drop(inner);
    match fault {
        Some(fault) => Decision { outcome: fault.name().to_owned(), latency, reply: fault.reply(&request) },
        None => Decision { outcome: "answer".to_owned(), latency, reply: Reply::ok(answer::body(&request)) },
    }
}

fn note(inner: &mut Inner, request: &Request) {
    if !inner.models.contains(&request.model) {
        inner.models.push(request.model.clone());
    }
    *inner.counters.by_schema.entry(request.schema_name().to_owned()).or_default() += 1;
    if let Some(page) = request.page() {
        *inner.counters.by_page.entry(format!("{} {page}", request.schema_name())).or_default() += 1;
    }
}

/// What is scripted comes before what is drawn.
fn choose(inner: &mut Inner, request: &Request, number: u64) -> Option<Fault> {
    let scripted = inner.scripted_for(request.schema_name()).or_else(|| inner.next.pop_front());
    scripted.or_else(|| inner.chance.pick(number, inner.fault_rate, &inner.faults))
}

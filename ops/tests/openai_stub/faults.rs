//! The faults of a line, and the counters.

use std::time::{Duration, Instant};

use celeriac_ops::standin::openai::{Control, Fault, Options};
use reqwest::Method;

use crate::caller::{Caller, simple_question};

/// Long enough that only silence can last it.
const PATIENCE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_cut_a_stalled_and_a_silent_line_never_deliver_and_a_slow_one_does() {
    let next = vec![Fault::Cut, Fault::Stall, Fault::Hang, Fault::Drip { bytes: 100, every_ms: 1 }, Fault::HtmlAnswer];
    let caller = Caller::new(Options { next, ..Options::default() }).await;
    assert!(caller.ask(&simple_question()).await.bytes().await.is_err(), "a cut answer arrived whole");
    let mut stalled = caller.ask(&simple_question()).await;
    assert!(stalled.chunk().await.unwrap().is_some(), "a stalled answer begins");
    assert!(tokio::time::timeout(PATIENCE, stalled.chunk()).await.is_err(), "and never goes on");
    drop(stalled);
    assert!(tokio::time::timeout(PATIENCE, caller.ask(&simple_question())).await.is_err());
    let mut slow = caller.ask(&simple_question()).await;
    assert_eq!(caller.stub.counters().in_flight_max, 1);
    let mut pieces = 0;
    while slow.chunk().await.unwrap().is_some() {
        pieces += 1;
    }
    assert!(pieces > 3, "{pieces}");
    let page = caller.ask(&simple_question()).await;
    assert_eq!((page.status().as_u16(), page.text().await.unwrap().starts_with("<html>")), (200, true));
    let counters = caller.stub.counters();
    assert_eq!(counters.requests, 5);
    assert!(["cut", "stall", "hang", "drip", "html_answer"].iter().all(|name| counters.outcomes[*name] == 1), "{:?}", counters.outcomes);
    // The server notices within moments that nobody waits any more.
    let until = Instant::now() + Duration::from_secs(10);
    while caller.stub.counters().in_flight > 0 {
        assert!(Instant::now() < until, "requests of clients that are gone stay in flight");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_fault_can_be_kept_for_one_kind_of_question_or_one_route() {
    let caller = Caller::new(Options::default()).await;
    let next_for =
        [("page_text".to_owned(), vec![Fault::Refusal]), ("GET /v1/models".to_owned(), vec![Fault::HtmlRefusal { status: 401 }])];
    caller.stub.control(Control { next_for: next_for.into(), ..Control::default() });
    assert!(caller.ask(&simple_question()).await.status().is_success());
    assert_eq!(caller.stub.counters().outcomes["answer"], 1);
    let models = caller.request(Method::GET, "/models").send().await.unwrap();
    assert_eq!(models.status(), 401);
    assert!(caller.request(Method::GET, "/models").send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn a_seed_makes_the_same_requests_fail() {
    let run = async |seed| {
        let options = Options { fault_rate: 0.2, faults: vec![Fault::ServerError, Fault::Conflict], seed, ..Options::default() };
        let caller = Caller::new(options).await;
        let mut statuses = Vec::new();
        for _ in 0..60 {
            statuses.push(caller.ask(&simple_question()).await.status().as_u16());
        }
        statuses
    };
    let (first, again, other) = (run(7).await, run(7).await, run(8).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    let failed = first.iter().filter(|status| **status != 200).count();
    assert!((3..25).contains(&failed), "{failed} of 60");
}

//! The rate limits, as a client sees them.

use celeriac_ops::standin::openai::Options;
use serde_json::Value;

use crate::caller::{Caller, simple_question};
use crate::published::Published;

#[tokio::test]
async fn the_limit_is_told_on_every_answer_and_then_enforced() {
    let caller = Caller::new(Options { requests_per_minute: Some(5), tokens_per_minute: Some(1_000_000), ..Options::default() }).await;
    for left in (0..5).rev() {
        let response = caller.ask(&simple_question()).await;
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((header("x-ratelimit-limit-requests"), header("x-ratelimit-remaining-requests")), ("5".into(), left.to_string()));
        assert!(header("x-ratelimit-reset-requests").ends_with('s'));
        let reserved = 1_000_000 - header("x-ratelimit-remaining-tokens").parse::<i64>().unwrap();
        // The bucket has filled a little since.
        assert!((500..5_001).contains(&reserved), "what the answer may come to is what counts here: {reserved}");
    }
    let refused = caller.ask(&simple_question()).await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "a place comes every twelve seconds: {wait}");
    let body: Value = refused.json().await.unwrap();
    Published::schema("ErrorResponse").check(&body);
    assert_eq!((&body["error"]["type"], &body["error"]["code"]), (&"requests".into(), &"rate_limit_exceeded".into()));
    let counters = caller.stub.counters();
    assert_eq!((counters.requests_per_minute_max, counters.admitted_per_minute_max, counters.tokens_per_minute_max), (6, 5, 5_000));
    assert_eq!((counters.outcomes["answer"], counters.outcomes["limited"]), (5, 1));
}

#[tokio::test]
async fn tokens_are_limited_by_what_an_answer_may_come_to() {
    let caller = Caller::new(Options { tokens_per_minute: Some(2_500), ..Options::default() }).await;
    assert_eq!(caller.ask(&simple_question()).await.status(), 200);
    assert_eq!(caller.ask(&simple_question()).await.status(), 200);
    let refused: Value = caller.ask(&simple_question()).await.json().await.unwrap();
    assert_eq!(refused["error"]["type"], "tokens");
    let mut large = simple_question();
    large["max_output_tokens"] = 3_000.into();
    let never = caller.ask(&large).await;
    assert!(never.status() == 429 && never.headers().get("retry-after").is_none(), "waiting does not make it smaller");
}

//! Batches and chains, among workers that die.

use std::time::Duration;

use celeriac_tests::chaos::batch_among_kills;
use celeriac_tests::program;

#[tokio::test]
async fn a_batch_of_a_thousand_calls_back_once_though_workers_die_all_the_while() {
    let reckoning = batch_among_kills(&program("examples/chaos"), 1_000, 20, Duration::from_millis(250)).await.unwrap();
    let tally = &reckoning.batch.tally;
    assert_eq!((tally.total, tally.finished, tally.failed()), (1_000, 1_000, 0), "{reckoning:#?}");
    let called: Vec<bool> = reckoning.batch.callbacks.iter().map(|callback| callback.called_at.is_some()).collect();
    assert_eq!(called, [true, true, false], "success, done, failure");
    // Neither a callback nor a link of a chain was enqueued twice.
    assert_eq!(reckoning.enqueued, reckoning.expected, "{reckoning:#?}");
    assert_eq!(reckoning.transfers, 0);
}

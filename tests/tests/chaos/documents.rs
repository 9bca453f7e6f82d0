//! Workers are killed and put to sleep over documents; every document ends, and nothing is paid for twice.

use celeriac_tests::chaos::documents::Campaign;

use crate::weather::seed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_checkpoint_and_anywhere_else_documents_end_and_no_committed_answer_is_paid_for_again() {
    let reckoning = Campaign { seed: seed(), kills: 20, lanes: 3 }.run().await.unwrap();
    assert!(reckoning.holds(), "{reckoning}");
}

//! A model that is limited and often fails; `make admission` runs the same for longer.

use std::time::Duration;

use celeriac_tests::crowd::Crowd;

#[tokio::test]
async fn many_documents_share_a_limit_that_their_workers_only_learn_and_none_fails_by_it() {
    let crowd = Crowd {
        documents: 60,
        workers: 2,
        requests_per_minute: 1_200,
        workers_know: false,
        fault_rate: 0.1,
        seed: 4,
        longest: Duration::from_secs(90),
    };
    let report = crowd.run().await;
    assert!(report.holds(), "{report}");
    let limited = report.model.outcomes.get("limited").copied().unwrap_or(0);
    assert_eq!(limited, 0, "{report}");
}

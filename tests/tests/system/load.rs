//! Many documents, two workers.

use celeriac_tests::{System, eventually, samples};

#[tokio::test]
async fn two_workers_complete_five_hundred_documents_once_each() {
    const DOCUMENTS: i64 = 500;
    let mut system = System::start().await;
    system.consent(1).await;
    let letter = samples::bytes("denial_letter.pdf");
    for _ in 0..DOCUMENTS {
        system.upload(1, "letter.pdf", &letter).await;
    }
    let (_scheduler, first, second) = (system.scheduler(), system.worker(), system.worker());
    let mut before = 0;
    while before < DOCUMENTS {
        // In parts, so that a machine under load has time for each.
        let goal = (before + 50).min(DOCUMENTS);
        before = eventually(&format!("{goal} completed"), || async {
            let count: i64 = sqlx::query_scalar("select count(*) from celeriac.documents where status = 'completed'")
                .fetch_one(&system.pool)
                .await
                .unwrap();
            if count >= goal { Ok(count) } else { Err(count) }
        })
        .await;
    }
    eventually("quiet", || system.is_quiet()).await;
    let (calls, rows): (i64, i64) =
        sqlx::query_as("select sum(calls), count(*) from celeriac.paid_calls").fetch_one(&system.pool).await.unwrap();
    assert_eq!((calls, rows, system.openai.counters().requests), (DOCUMENTS, DOCUMENTS, DOCUMENTS.unsigned_abs()));
    let used: i64 =
        sqlx::query_scalar("select used from celeriac.usage_counters where kind = 'documents'").fetch_one(&system.pool).await.unwrap();
    assert_eq!(used, DOCUMENTS);
    assert_eq!(system.leftovers().await, Vec::<String>::new());
    assert!(first.stop().await.success() && second.stop().await.success());
    system.finish().await;
}

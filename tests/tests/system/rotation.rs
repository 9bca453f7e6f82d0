//! The keys of encrypted columns are rotated while documents complete.

use celeriac_jobs::crypt::FieldKeys;
use celeriac_tests::{System, eventually, samples};

const OLD: &str = "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZC0=";
const NEW: &str = "bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldy0=";
const DOCUMENTS: usize = 6;

#[tokio::test]
async fn rotated_while_documents_complete_every_value_is_on_the_new_key_and_whole() {
    let mut system = System::start().await;
    let _scheduler = system.scheduler();
    system.consent(1).await;
    system.set("FIELD_ENCRYPTION_KEYS", OLD);
    let worker = system.worker();
    let letter = samples::bytes("denial_letter.pdf");
    let mut before = Vec::new();
    for _ in 0..DOCUMENTS {
        before.push(system.upload(1, "letter.pdf", &letter).await);
    }
    for id in &before {
        assert_eq!(system.document_ended(*id).await.0, "completed");
    }
    worker.stop().await;

    system.set("FIELD_ENCRYPTION_KEYS", format!("{NEW},{OLD}"));
    let _worker = system.worker();
    for _ in 0..DOCUMENTS {
        system.upload(1, "letter.pdf", &letter).await;
    }
    eventually("all documents completed, with rotations meanwhile", || async {
        system.celeriac(&["keys", "rotate"]).await;
        let open: i64 = sqlx::query_scalar("select count(*) from celeriac.documents where status <> 'completed'")
            .fetch_one(&system.pool)
            .await
            .unwrap();
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await;
    let (succeeded, said, complaint) = system.celeriac(&["keys", "rotate"]).await;
    assert!(succeeded && said.contains("Everything is on the newest key"), "{said}{complaint}");

    let new = FieldKeys::new(&[NEW]).unwrap();
    let analyses: Vec<String> = sqlx::query_scalar("select ai_summary from celeriac.documents").fetch_all(&system.pool).await.unwrap();
    assert_eq!(analyses.len(), 2 * DOCUMENTS);
    for token in analyses {
        let analysis: serde_json::Value = serde_json::from_str(&new.decrypt(&token).unwrap()).unwrap();
        assert!(analysis["summary"].as_str().is_some_and(|summary| summary.contains("stand-in")), "{analysis}");
    }
    eventually("quiet", || system.is_quiet()).await;
    system.finish().await;
}

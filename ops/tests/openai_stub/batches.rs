//! Batches: each line is answered once, whatever else happens to the batch.

use celeriac_ops::standin::openai::{BatchFault, Control, Fault, Options};
use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Caller, batch_line, said, simple_question};
use crate::published::Published;

async fn ended(caller: &Caller, lines: &[Value], fault: Option<BatchFault>) -> Value {
    caller.stub.control(Control { batch_next: fault.into_iter().collect(), ..Control::default() });
    let created = caller.create_batch(lines).await;
    caller.get(&format!("/batches/{}", created["id"].as_str().unwrap())).await
}

fn custom_ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["custom_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn answers_come_in_another_order_and_each_is_a_response_as_published() {
    let caller = Caller::new(Options::default()).await;
    let lines: Vec<Value> = ["a", "b", "c"].map(batch_line).into();
    let batch = ended(&caller, &lines, None).await;
    assert_eq!((&batch["status"], &batch["metadata"]["celeriac_batch"]), (&"completed".into(), &"1".into()));
    assert_eq!(batch["request_counts"], json!({ "total": 3, "completed": 3, "failed": 0 }));
    assert!(batch["error_file_id"].is_null());
    let output = caller.lines(&batch["output_file_id"]).await;
    assert_eq!(custom_ids(&output), ["c", "b", "a"]);
    for line in &output {
        Published::schema("Response").check(&line["response"]["body"]);
        assert!(
            line["response"]["status_code"] == 200 && line["error"].is_null() && said(&line["response"]["body"])["summary"].is_string()
        );
    }
    assert_eq!(caller.stub.counters().batch_answers["analysis"], 3);
    assert_eq!(caller.stub.counters().requests, 0, "a batch makes no request for an answer");
}

#[tokio::test]
async fn what_fails_stands_in_the_file_of_errors() {
    let caller = Caller::new(Options::default()).await;
    let mut lines: Vec<Value> = ["a", "b", "c", "d"].map(batch_line).into();
    let batch = ended(&caller, &lines, Some(BatchFault::Lines { every: 2, fault: Fault::ServerError })).await;
    assert_eq!(custom_ids(&caller.lines(&batch["output_file_id"]).await), ["c", "a"]);
    let errors = caller.lines(&batch["error_file_id"]).await;
    assert_eq!(custom_ids(&errors), ["d", "b"]);
    assert_eq!(errors[0]["response"]["status_code"], 500);
    Published::schema("ErrorResponse").check(&errors[0]["response"]["body"]);

    let batch = ended(&caller, &lines, Some(BatchFault::Expired { answered: 3 })).await;
    assert_eq!((batch["status"].as_str(), custom_ids(&caller.lines(&batch["output_file_id"]).await).len()), (Some("expired"), 3));
    let late = caller.lines(&batch["error_file_id"]).await;
    assert!(late[0]["error"]["code"] == "batch_expired" && late[0]["response"].is_null(), "{late:?}");

    lines[1]["custom_id"] = json!("a");
    lines[2]["url"] = json!("/v1/chat/completions");
    let batch = ended(&caller, &lines, None).await;
    assert_eq!(batch["status"], "failed");
    let complaints: Vec<_> = batch["errors"]["data"].as_array().unwrap().iter().map(|error| (&error["code"], &error["line"])).collect();
    assert_eq!(complaints, [(&json!("duplicate_custom_id"), &json!(2)), (&json!("invalid_url"), &json!(3))]);
}

#[tokio::test]
async fn the_list_goes_from_the_newest_on_and_files_are_gone_when_deleted() {
    let caller = Caller::new(Options::default()).await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(caller.create_batch(&[batch_line(name)]).await["id"].clone());
    }
    ids.reverse();
    let first = caller.get("/batches?limit=2").await;
    assert_eq!((&first["data"][0]["id"], &first["last_id"], &first["has_more"]), (&ids[0], &ids[1], &true.into()));
    let rest = caller.get(&format!("/batches?limit=2&after={}", ids[1].as_str().unwrap())).await;
    assert_eq!((&rest["data"][0]["id"], &rest["has_more"]), (&ids[2], &false.into()));

    let file = format!("/files/{}", caller.upload("{}\n").await["id"].as_str().unwrap());
    let before = caller.stub.counters().files;
    assert!(caller.request(Method::DELETE, &file).send().await.unwrap().status().is_success());
    assert_eq!(caller.stub.counters().files, before - 1);
    assert_eq!(caller.request(Method::GET, &format!("{file}/content")).send().await.unwrap().status(), 404);
    assert_eq!(caller.request(Method::DELETE, &file).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_line_that_is_cut_hides_a_batch_that_was_created() {
    let caller = Caller::new(Options::default()).await;
    caller.stub.control(Control { next_for: [("POST /v1/batches".to_owned(), vec![Fault::Cut])].into(), ..Control::default() });
    let file = caller
        .upload(&format!("{}\n", json!({ "custom_id": "a", "method": "POST", "url": "/v1/responses", "body": simple_question() })))
        .await;
    let batch = json!({ "input_file_id": file["id"], "endpoint": "/v1/responses", "completion_window": "24h" });
    assert!(caller.request(Method::POST, "/batches").json(&batch).send().await.unwrap().bytes().await.is_err());
    assert_eq!(caller.get("/batches").await["data"][0]["input_file_id"], file["id"]);
}

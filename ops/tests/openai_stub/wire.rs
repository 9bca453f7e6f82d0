//! What is sent in either direction against the published schema.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use celeriac_jobs::openai::{OpenAi, OpenAiConfig, Outcome, Part, Prices, Question};
use celeriac_ops::standin::openai::{BatchFault, BatchLatency, Control, Fault, Options};
use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Caller, batch_line, question, said, simple_question};
use crate::published::{Published, is_valid};

#[tokio::test]
async fn every_answer_is_a_response_as_published_and_a_broken_one_would_not_be() {
    let (caller, schema) = (Caller::new(Options::default()).await, Published::schema("Response"));
    let answer: Value = caller.ask(&simple_question()).await.json().await.unwrap();
    schema.check(&answer);
    for fault in [Fault::Refusal, Fault::Incomplete, Fault::ContentFilter, Fault::InvalidJson, Fault::OffSchema, Fault::Failed] {
        caller.stub.control(Control { next: vec![fault.clone()], ..Control::default() });
        schema.check(&caller.ask(&simple_question()).await.json().await.unwrap());
    }
    for (pointer, wrong) in [("/status", json!("done")), ("/output/0/content/0/text", json!(7)), ("/usage/input_tokens", json!("many"))] {
        let mut broken = answer.clone();
        *broken.pointer_mut(pointer).unwrap() = wrong;
        assert!(!schema.accepts(&broken), "nobody minded {pointer}");
    }
}

#[tokio::test]
async fn every_refusal_is_an_error_as_published() {
    let (caller, schema) = (Caller::new(Options::default()).await, Published::schema("ErrorResponse"));
    let statuses = [
        (Fault::BadRequest, 400),
        (Fault::Unauthorized, 401),
        (Fault::Forbidden, 403),
        (Fault::ModelNotFound, 404),
        (Fault::RequestTimeout, 408),
        (Fault::Conflict, 409),
        (Fault::RateLimited { retry_after: None }, 429),
        (Fault::RateLimitedFor { milliseconds: 250 }, 429),
        (Fault::QuotaExhausted, 429),
        (Fault::ServerError, 500),
        (Fault::Unavailable, 503),
        (Fault::Overloaded, 529),
    ];
    for (fault, status) in statuses {
        caller.stub.control(Control { next: vec![fault.clone()], ..Control::default() });
        let response = caller.ask(&simple_question()).await;
        assert_eq!(response.status(), status, "{fault:?}");
        assert!(response.headers()["x-request-id"].to_str().unwrap().starts_with("req_"));
        let waits = response.headers().get("retry-after-ms").map(|wait| wait.to_str().unwrap().to_owned());
        assert_eq!(waits.as_deref(), matches!(fault, Fault::RateLimitedFor { .. }).then_some("250"));
        schema.check(&response.json().await.unwrap());
    }
    schema.check(&caller.ask(&json!({ "input": "no model" })).await.json().await.unwrap());
    schema.check(&caller.get("/files/file-none").await);
    schema.check(&caller.get("/batches/batch_none").await);
    assert!(!schema.accepts(&json!({ "error": "a sentence" })));
}

#[tokio::test]
async fn models_files_and_batches_are_as_published_at_every_station() {
    let caller = Caller::new(Options::default()).await;
    caller.ask(&simple_question()).await;
    Published::schema("ListModelsResponse").check(&caller.get("/models").await);
    let (file_schema, batch_schema) = (Published::schema("OpenAIFile"), Published::schema("Batch"));
    let file = caller.upload("{}\n").await;
    file_schema.check(&file);
    file_schema.check(&caller.get(&format!("/files/{}", file["id"].as_str().unwrap())).await);
    let deleted = caller.request(Method::DELETE, &format!("/files/{}", file["id"].as_str().unwrap())).send().await.unwrap();
    Published::schema("DeleteFileResponse").check(&deleted.json().await.unwrap());

    let ends = [
        (None, "completed"),
        (Some(BatchFault::Validation), "failed"),
        (Some(BatchFault::Expired { answered: 1 }), "expired"),
        (Some(BatchFault::Lines { every: 2, fault: Fault::ServerError }), "completed"),
    ];
    for (fault, end) in ends {
        caller.stub.control(Control { batch_next: fault.clone().into_iter().collect(), ..Control::default() });
        let created = caller.create_batch(&[batch_line("a"), batch_line("b")]).await;
        assert_eq!(created["status"], "validating");
        batch_schema.check(&created);
        let ended = caller.get(&format!("/batches/{}", created["id"].as_str().unwrap())).await;
        assert_eq!(ended["status"], end, "{fault:?}");
        batch_schema.check(&ended);
    }
    caller.stub.control(Control { batch_latency_ms: Some(BatchLatency::Never), ..Control::default() });
    let created = caller.create_batch(&[batch_line("a")]).await;
    let path = format!("/batches/{}", created["id"].as_str().unwrap());
    let running = caller.get(&path).await;
    assert_eq!(running["status"], "in_progress");
    batch_schema.check(&running);
    let cancelling: Value = caller.request(Method::POST, &format!("{path}/cancel")).send().await.unwrap().json().await.unwrap();
    assert_eq!(cancelling["status"], "cancelling");
    batch_schema.check(&cancelling);
    let cancelled = caller.get(&path).await;
    assert_eq!(cancelled["status"], "cancelled");
    batch_schema.check(&cancelled);
    Published::schema("ListFilesResponse").check(&caller.get("/files?purpose=batch&limit=2").await);
    Published::schema("ListBatchesResponse").check(&caller.get("/batches?limit=3").await);
}

#[tokio::test]
async fn any_strict_schema_is_filled_with_what_the_text_says() {
    let caller = Caller::new(Options::default()).await;
    let schema = json!({
        "type": "object",
        "$defs": { "deadline": {
            "type": "object",
            "properties": { "date": { "type": "string", "format": "date" }, "what": { "type": "string" } },
            "required": ["date", "what"],
            "additionalProperties": false
        } },
        "properties": {
            "denied_conditions": { "type": "array", "minItems": 1, "items": {
                "type": "object",
                "properties": {
                    "condition": { "type": "string" },
                    "reason": { "type": "string", "enum": ["not_covered", "no_evidence"] },
                    "evidence": { "type": "array", "items": { "type": "string" }, "maxItems": 1 },
                    "appeal": { "anyOf": [{ "type": "string" }, { "type": "null" }] }
                },
                "required": ["condition", "reason", "evidence", "appeal"],
                "additionalProperties": false
            } },
            "decision_date": { "type": ["string", "null"] },
            "deadlines": { "type": "array", "items": { "$ref": "#/$defs/deadline" } },
            "confidence": { "type": "number", "minimum": 0, "maximum": 1 }
        },
        "required": ["denied_conditions", "decision_date", "deadlines", "confidence"],
        "additionalProperties": false
    });
    for text in ["Tinnitus was denied on 3 March 2027. The file shows no evidence. Appeal by 2027-05-05.", ""] {
        let answer = said(&caller.ask(&question("denial_letter", &schema, text)).await.json().await.unwrap());
        assert!(is_valid(&schema, &answer), "{answer:#}");
        if !text.is_empty() {
            assert_eq!(answer["decision_date"], "2027-03-03");
            assert_eq!(answer["deadlines"][1]["date"], "2027-05-05");
            assert_eq!(answer["denied_conditions"][1]["condition"], "The file shows no evidence.");
        }
    }
}

#[tokio::test]
async fn a_page_reads_the_same_each_time_and_another_page_differently() {
    let caller = Caller::new(Options::default()).await;
    let schema = json!({
        "type": "object",
        "properties": { "text": { "type": "string" }, "legible": { "type": "boolean" } },
        "required": ["text", "legible"],
        "additionalProperties": false
    });
    let read = async |colour: u8| {
        let mut request = question("page_text", &schema, "[page 3 of 7]");
        let url = format!("data:image/png;base64,{}", base64(&png(colour)));
        let content = request["input"][0]["content"].as_array_mut().unwrap();
        content.push(json!({ "type": "input_image", "detail": "high", "image_url": url }));
        said(&caller.ask(&request).await.json().await.unwrap())["text"].as_str().unwrap().to_owned()
    };
    let (first, again, other) = (read(10).await, read(10).await, read(20).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!(first.contains("8 by 6 pixels") && first.split_whitespace().count() > 12, "{first}");
    let counters = caller.stub.counters();
    assert_eq!((counters.by_schema["page_text"], counters.by_page["page_text 3"]), (3, 3));
}

#[tokio::test]
async fn what_our_jobs_ask_is_a_request_as_published() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = async |State(asked): State<Arc<Mutex<Vec<Value>>>>, body: Bytes| {
        asked.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        "recorded"
    };
    let app = axum::Router::new().route("/v1/responses", axum::routing::post(record)).with_state(asked.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let openai = OpenAi::new(OpenAiConfig {
        base_url,
        api_key: "sk-test".into(),
        model: "gpt-4.1-mini".to_owned(),
        first_byte_timeout: Duration::from_secs(10),
        timeout: Duration::from_secs(10),
        prices: Prices::default(),
    });
    let question = Question {
        instructions: "Summarise.".into(),
        parts: vec![Part::Text("A letter.".to_owned()), Part::Picture { media_type: "image/png".to_owned(), bytes: png(1) }],
        schema_name: "analysis",
        schema: simple_question()["text"]["format"]["schema"].clone(),
        output_tokens_max: 500,
    };
    let outcome = openai.unwrap().ask(&question).await.outcome;
    assert!(matches!(outcome, Outcome::Unreadable { .. }), "{outcome:?}");
    let request = asked.lock().unwrap().remove(0);
    let schema = Published::request();
    schema.check(&request);
    let mut broken = request.clone();
    broken["input"][0]["content"][0]["type"] = json!("text");
    assert!(!schema.accepts(&broken), "a part of an unknown type went through");
    server.abort();
}

fn png(colour: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_pixel(8, 6, image::Luma([colour])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

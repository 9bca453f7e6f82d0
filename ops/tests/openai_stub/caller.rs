//! A caller that sees statuses, headers and bodies as they are.

use celeriac_ops::standin::openai::{OpenAiStub, Options};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

pub(crate) struct Caller {
    pub(crate) stub: OpenAiStub,
    http: Client,
}

impl Caller {
    pub(crate) async fn new(options: Options) -> Self {
        Self { stub: OpenAiStub::start(options).await.unwrap(), http: Client::new() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.stub.url())).bearer_auth("sk-test")
    }

    pub(crate) async fn ask(&self, body: &Value) -> Response {
        self.request(Method::POST, "/responses").json(body).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.request(Method::GET, path).send().await.unwrap().json().await.unwrap()
    }

    /// The object of the file.
    pub(crate) async fn upload(&self, content: &str) -> Value {
        let boundary = "a-boundary";
        let form = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"questions.jsonl\"\r\n\r\n{content}\r\n--{boundary}--\r\n"
        );
        let request = self.request(Method::POST, "/files").header("content-type", format!("multipart/form-data; boundary={boundary}"));
        request.body(form).send().await.unwrap().json().await.unwrap()
    }

    /// The object of a batch of these lines.
    pub(crate) async fn create_batch(&self, lines: &[Value]) -> Value {
        let content: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let file = self.upload(&content).await;
        let batch = json!({
            "input_file_id": file["id"],
            "endpoint": "/v1/responses",
            "completion_window": "24h",
            "metadata": { "celeriac_batch": "1" }
        });
        self.request(Method::POST, "/batches").json(&batch).send().await.unwrap().json().await.unwrap()
    }

    /// The lines of a file.
    pub(crate) async fn lines(&self, file_id: &Value) -> Vec<Value> {
        let path = format!("/files/{}/content", file_id.as_str().unwrap());
        let text = self.request(Method::GET, &path).send().await.unwrap().text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A question with a strict schema.
pub(crate) fn question(schema_name: &str, schema: &Value, text: &str) -> Value {
    json!({
        "model": "gpt-4.1-mini",
        "input": [{ "role": "user", "content": [{ "type": "input_text", "text": text }] }],
        "text": { "format": { "type": "json_schema", "name": schema_name, "schema": schema, "strict": true } },
        "max_output_tokens": 1_000,
        "store": false
    })
}

pub(crate) fn simple_question() -> Value {
    let schema = json!({
        "type": "object",
        "properties": { "summary": { "type": "string" } },
        "required": ["summary"],
        "additionalProperties": false
    });
    question("analysis", &schema, "The claim was denied on 3 March 2027. Write by May 5, 2027.")
}

pub(crate) fn batch_line(custom_id: &str) -> Value {
    json!({ "custom_id": custom_id, "method": "POST", "url": "/v1/responses", "body": simple_question() })
}

/// What the model said, of a response object.
pub(crate) fn said(response: &Value) -> Value {
    serde_json::from_str(response["output"][0]["content"][0]["text"].as_str().unwrap()).unwrap()
}

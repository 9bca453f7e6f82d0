//! A file of questions on its way up: a form that is streamed, as it may be much larger than a worker's memory.

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, RequestBuilder};
use uuid::Uuid;

/// The content of a file, piece by piece, and how much that is in all.
pub(crate) struct Upload {
    pub(crate) bytes: u64,
    pub(crate) pieces: stream::BoxStream<'static, anyhow::Result<Bytes>>,
}

impl Upload {
    /// The length is known beforehand and said: not every server takes a body without it.
    pub(super) fn onto(self, request: RequestBuilder, name: &str, lives_seconds: u64) -> RequestBuilder {
        let boundary = format!("celeriac-{}", Uuid::new_v4().simple());
        let field = |name: &str, value: &str| format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        let head = [
            field("purpose", "batch"),
            field("expires_after[anchor]", "created_at"),
            field("expires_after[seconds]", &lives_seconds.to_string()),
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/jsonl\r\n\r\n"
            ),
        ]
        .concat();
        let tail = format!("\r\n--{boundary}--\r\n");
        let length = head.len() as u64 + self.bytes + tail.len() as u64;
        let body = piece(head).chain(self.pieces).chain(piece(tail)).map(|piece| piece.map_err(std::io::Error::other));
        request
            .header(CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}"))
            .header(CONTENT_LENGTH, length)
            .body(Body::wrap_stream(body))
    }
}

fn piece(text: String) -> impl Stream<Item = anyhow::Result<Bytes>> {
    stream::iter([Ok(Bytes::from(text))])
}

//! Bodies that do not arrive as they should.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream;
use serde_json::Value;

use super::state::InFlight;

/// What waits to be sent is lost with the line.
const UNTIL_SENT: Duration = Duration::from_millis(20);

type Piece = Result<Bytes, std::io::Error>;

/// The first half, and once that is sent the line is cut.
pub(super) fn cut(body: &Value) -> Response {
    let begun = stream::iter([Piece::Ok(first_half(body))]);
    let cut = stream::once(async {
        tokio::time::sleep(UNTIL_SENT).await;
        Piece::Err(std::io::Error::other("the line was cut"))
    });
    json(Body::from_stream(begun.chain(cut)))
}

/// All of it, slowly.
pub(super) fn drip(body: &Value, bytes: usize, every_ms: u64, in_flight: Option<InFlight>) -> Response {
    let whole = Bytes::from(body.to_string());
    let pieces: Vec<Bytes> = whole.chunks(bytes.max(1)).map(Bytes::copy_from_slice).collect();
    let pause = Duration::from_millis(every_ms);
    let slowly = stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Piece::Ok(piece)
    });
    json(Body::from_stream(held(slowly, in_flight)))
}

/// The first half, then nothing more.
pub(super) fn stall(body: &Value, in_flight: Option<InFlight>) -> Response {
    let begun = stream::iter([Piece::Ok(first_half(body))]).chain(stream::pending());
    json(Body::from_stream(held(begun, in_flight)))
}

/// The request is in flight for as long as its body is on the way, or until the client is gone.
fn held(pieces: impl futures::Stream<Item = Piece>, in_flight: Option<InFlight>) -> impl futures::Stream<Item = Piece> {
    pieces.map(move |piece| {
        let _ = &in_flight;
        piece
    })
}

fn first_half(body: &Value) -> Bytes {
    let mut text = body.to_string().into_bytes();
    text.truncate(text.len() / 2);
    text.into()
}

fn json(body: Body) -> Response {
    ([("content-type", "application/json")], body).into_response()
}

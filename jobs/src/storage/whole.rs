//! A stream that must have the length it promised: a file that was cut or replaced while it was read is an error, not a shorter file.

use std::io;

use bytes::Bytes;
use futures::stream::{BoxStream, Stream};
use futures::{StreamExt, stream};

/// A folder's store goes on handing out empty pieces for ever where the file ends before it should; HTTP has one at the end at most.
const EMPTY_PIECES_MAX: u32 = 8;

/// Passes the pieces on. Its last item is an error when they are not exactly `size` bytes.
pub(super) fn whole(
    size: u64,
    pieces: BoxStream<'static, object_store::Result<Bytes>>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::unfold(Some((pieces, size, 0)), |state| async {
        let (mut pieces, left, empty) = state?;
        match pieces.next().await {
            Some(Ok(piece)) if piece.is_empty() && empty < EMPTY_PIECES_MAX => Some((Ok(piece), Some((pieces, left, empty + 1)))),
            Some(Ok(piece)) if piece.is_empty() => Some((Err(ended_early(left)), None)),
            Some(Ok(piece)) => match left.checked_sub(piece.len() as u64) {
                Some(left) => Some((Ok(piece), Some((pieces, left, 0)))),
                None => Some((Err(changed("it has more bytes than when it was opened")), None)),
            },
            Some(Err(error)) => Some((Err(io::Error::from(error)), None)),
            None if left > 0 => Some((Err(ended_early(left)), None)),
            None => None,
        }
    })
}

fn ended_early(left: u64) -> io::Error {
    changed(&format!("its last {left} bytes are missing"))
}

fn changed(how: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the stored file was changed while it was read: {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each item was a piece, of a stream that promised `size` bytes and came in these pieces.
    async fn outcome(size: u64, pieces: &[&'static str]) -> Vec<bool> {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        whole(size, stream::iter(pieces).boxed()).map(|item| item.is_ok()).collect().await
    }

    #[tokio::test]
    async fn fewer_or_more_bytes_than_promised_end_in_an_error() {
        assert_eq!(outcome(4, &["ab", "", "cd"]).await, [true, true, true]);
        assert_eq!(outcome(4, &["ab", "c"]).await, [true, true, false]);
        assert_eq!(outcome(4, &["ab", "cde", "f"]).await, [true, false]);
        assert_eq!(outcome(4, &[]).await, [false]);
        assert_eq!(outcome(0, &[]).await, [true; 0]);
    }
}

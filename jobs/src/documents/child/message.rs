//! What the child tells its parent: length-framed messages on its standard output.
//!
//! ```text
//! message = header length (4 bytes, big endian) · body length (4 bytes) · header (JSON) · body (text or picture)
//! ```
//!
//! The parent trusts none of it: the child has parsed a stranger's file. Every length is bounded before a byte is taken.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

const HEADER_BYTES_MAX: u32 = 4_096;
/// One page's text or picture.
const BODY_BYTES_MAX: u32 = 16_000_000;

/// What the child is asked to do; its only argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Address space it may use.
    pub(crate) memory_bytes: u64,
    pub(crate) cpu_seconds: u64,
    /// Size of the file, to take the memory for it once.
    pub(crate) file_bytes: u64,
    pub(crate) pages_max: u32,
    pub(crate) pixels_max: u64,
    /// Of one stream of a PDF, bytes.
    pub(crate) unpacked_max: u64,
    /// All text of one document together.
    pub(crate) text_bytes_max: u64,
    /// What pictures of scanned pages shall be like; `None`: nobody wants any.
    pub(crate) pictures: Option<PictureForm>,
    /// Pages (from 1) that an earlier run has done: they are counted and not read.
    #[serde(default)]
    pub(crate) done: BTreeSet<u32>,
}

/// What the picture of a scanned page shall be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PictureForm {
    /// Pages of a PDF are drawn at this resolution, unless that is larger than the side allowed.
    pub(crate) dots_per_inch: u32,
    /// Longest side, pixels.
    pub(crate) side_max: u32,
    pub(crate) grey: bool,
}

/// A message's header; `Text` and `Picture` have a body. Pages are told in their order, each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Message {
    /// The file was opened and has that many pages.
    Opened { pages: u32 },
    /// A page with text of its own.
    Text { page: u32 },
    /// A page that is a scan, to be recognized.
    Picture { page: u32, media_type: String, width: u32, height: u32 },
    /// A page that is a scan, when nobody wants pictures.
    Scan { page: u32 },
    /// A page with nothing on it.
    Blank { page: u32 },
    /// A page that an earlier run has done.
    Skipped { page: u32 },
    /// A page left out because the limit of all text was reached.
    LeftOut { page: u32 },
    /// A page that cannot be read, while others can.
    PageFailed { page: u32, fault: ReadFault },
    /// Every page was told.
    Done,
    /// The file cannot be read, or not further.
    Failed { fault: ReadFault },
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub(crate) enum ReadFault {
    Empty,
    /// Neither PDF, JPEG, PNG nor TIFF.
    UnknownType {
        looks_like: Option<String>,
    },
    PasswordProtected,
    UnsupportedEncryption,
    Damaged {
        file_type: String,
        detail: String,
    },
    /// Sound, but of a form that no decoder here knows.
    UnknownForm {
        file_type: String,
        detail: String,
    },
    TooManyPages {
        pages: u32,
        max: u32,
    },
    TooManyPixels {
        width: u32,
        height: u32,
        max: u64,
    },
    /// A stream of a PDF unpacks to that many bytes, or more where it was not counted to its end.
    UnpacksTooLarge {
        bytes: u64,
        and_more: bool,
        max: u64,
    },
    TooMuchMemory,
    /// A mistake in a parser; `at` is a place in source code.
    Crashed {
        at: String,
    },
}

pub(crate) fn write(out: &mut impl Write, message: &Message, body: &[u8]) -> io::Result<()> {
    let header = serde_json::to_vec(message)?;
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other).map(u32::to_be_bytes);
    out.write_all(&length(&header)?)?;
    out.write_all(&length(body)?)?;
    out.write_all(&header)?;
    out.write_all(body)?;
    out.flush()
}

/// The next message; `None` at the end of the stream.
pub(crate) async fn read(input: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(Message, Vec<u8>)>> {
    let header_bytes = match input.read_u32().await {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let body_bytes = input.read_u32().await?;
    if header_bytes > HEADER_BYTES_MAX || body_bytes > BODY_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of the reading process is longer than allowed"));
    }
    let mut header = vec![0; header_bytes as usize];
    input.read_exact(&mut header).await?;
    let mut body = vec![0; body_bytes as usize];
    input.read_exact(&mut body).await?;
    Ok(Some((serde_json::from_slice(&header)?, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_arrive_as_they_were_sent_and_a_lying_length_is_refused() {
        let mut wire = Vec::new();
        write(&mut wire, &Message::Opened { pages: 2 }, b"").unwrap();
        write(&mut wire, &Message::Text { page: 1 }, "zwölf".as_bytes()).unwrap();
        let mut input = wire.as_slice();
        assert_eq!(read(&mut input).await.unwrap(), Some((Message::Opened { pages: 2 }, Vec::new())));
        assert_eq!(read(&mut input).await.unwrap(), Some((Message::Text { page: 1 }, "zwölf".as_bytes().to_vec())));
        assert_eq!(read(&mut input).await.unwrap(), None);
        let mut lying = &[0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, b'{', b'}'][..];
        assert!(read(&mut lying).await.is_err());
    }
}

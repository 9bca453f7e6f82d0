//! What a file is, by its first bytes. Its name and its claimed type are never asked.

/// A file type that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileType {
    Pdf,
    Jpeg,
    Png,
    Tiff,
}

impl FileType {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pdf => "PDF",
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Tiff => "TIFF",
        }
    }
}

/// Readers accept a PDF header within the first kilobyte, after whatever a mail program or scanner put before it.
const PDF_HEADER_WITHIN: usize = 1_024;

/// The type, or a guess at what the file is instead.
pub(super) fn sniff(bytes: &[u8]) -> Result<FileType, Option<&'static str>> {
    let known: [(&[u8], FileType); 6] = [
        (b"\x89PNG\r\n\x1a\n", FileType::Png),
        (b"\xff\xd8\xff", FileType::Jpeg),
        (b"II*\0", FileType::Tiff),
        (b"MM\0*", FileType::Tiff),
        (b"II+\0\x08\0\0\0", FileType::Tiff),
        (b"MM\0+\0\x08\0\0", FileType::Tiff),
    ];
    if let Some((_, file_type)) = known.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Ok(*file_type);
    }
    let head = &bytes[..bytes.len().min(PDF_HEADER_WITHIN)];
    if head.windows(5).any(|window| window == b"%PDF-") {
        return Ok(FileType::Pdf);
    }
    Err(guess(head))
}

/// For the sentence that the user reads; being wrong here harms nobody.
fn guess(head: &[u8]) -> Option<&'static str> {
    let others: [(&[u8], &str); 7] = [
        (b"PK\x03\x04", "a ZIP archive or an Office document"),
        (b"\xd0\xcf\x11\xe0", "an old Office document"),
        (b"GIF8", "a GIF picture"),
        (b"RIFF", "a WebP picture or a sound"),
        (b"BM", "a BMP picture"),
        (b"{\\rtf", "a rich text document"),
        (b"%!PS", "a PostScript document"),
    ];
    if let Some((_, name)) = others.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(name);
    }
    if head.get(4..8) == Some(b"ftyp") {
        return Some("a HEIC picture or a video");
    }
    let text = head.trim_ascii_start().to_ascii_lowercase();
    if text.starts_with(b"<!doctype html") || text.starts_with(b"<html") {
        return Some("a web page");
    }
    // A cut inside the last character is no reason to call text something else.
    let is_text = |error: std::str::Utf8Error| error.error_len().is_none();
    let plain = std::str::from_utf8(head).map_or_else(is_text, |_| true) && !head.contains(&0);
    plain.then_some("plain text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_told_by_content() {
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n...."), Ok(FileType::Png));
        assert_eq!(sniff(b"junk before\n%PDF-1.7\n"), Ok(FileType::Pdf));
        assert_eq!(sniff(b"PK\x03\x04word/document.xml"), Err(Some("a ZIP archive or an Office document")));
        assert_eq!(sniff("Sehr geehrte Damen und Herren, grüß".as_bytes()), Err(Some("plain text")));
        assert_eq!(sniff(&[0x13, 0x00, 0xff, 0x80]), Err(None));
    }
}

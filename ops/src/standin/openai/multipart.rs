//! The fields of a `multipart/form-data` body, as far as an upload of one file needs them.

/// One field of the form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) content: &'a [u8],
}

/// `None` when the body is no such form.
pub(super) fn fields<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<Field<'a>>> {
    let (_, boundary) = content_type.strip_prefix("multipart/form-data")?.split_once("boundary=")?;
    let mark = format!("\r\n--{}", boundary.split(';').next()?.trim().trim_matches('"'));
    // The first mark has no line before it.
    let mut rest = body.strip_prefix(&mark.as_bytes()[2..])?;
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        let head = find(rest, b"\r\n\r\n")?;
        let end = find(rest, mark.as_bytes())?;
        fields.push(field(std::str::from_utf8(&rest[..head]).ok()?, rest.get(head + 4..end)?)?);
        rest = &rest[end + mark.len()..];
    }
    Some(fields)
}

fn field<'a>(head: &str, content: &'a [u8]) -> Option<Field<'a>> {
    let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let parameter = |name: &str| {
        disposition.split(';').find_map(|part| Some(part.trim().strip_prefix(name)?.strip_prefix('=')?.trim_matches('"').to_owned()))
    };
    Some(Field { name: parameter("name")?, filename: parameter("filename"), content })
}

/// Skips from one line's end to the next, as files are large and the marks begin with one.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text[from..].iter().position(|byte| *byte == b'\r')?;
        if text[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_taken_apart_and_anything_else_is_none() {
        let body = b"--b1\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b1\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"q.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n{}\r\n\n{}\r\n--b1--\r\n";
        let fields = fields("multipart/form-data; boundary=b1", body).unwrap();
        assert_eq!(fields[0], Field { name: "purpose".into(), filename: None, content: b"batch" });
        assert_eq!(fields[1], Field { name: "file".into(), filename: Some("q.jsonl".into()), content: b"{}\r\n\n{}" });
        assert_eq!(super::fields("multipart/form-data; boundary=b2", body), None);
        assert_eq!(super::fields("application/json", b"{}"), None);
        assert_eq!(super::fields("multipart/form-data; boundary=b1", &body[..40]), None);
    }
}

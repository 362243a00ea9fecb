//! Requests and answers as they are written: lines `name: value`, an empty line, and a body.

use http::{HeaderMap, HeaderName, HeaderValue};

/// What stands before the first empty line, and what behind it.
#[must_use]
pub fn head_and_body(data: &[u8]) -> (&[u8], &[u8]) {
    if let Some(body) = data.strip_prefix(b"\n") {
        return (b"", body);
    }
    match data.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, b"".as_slice()),
    }
}

/// The first line, and what is behind it.
#[must_use]
pub fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    (line, rest.strip_prefix(b"\n").unwrap_or(rest))
}

/// The headers that stand in these lines. What is no header is passed over.
#[must_use]
pub fn headers_in(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (
            halves.next().unwrap_or_default(),
            halves.next().unwrap_or_default().trim_ascii(),
        );
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

//! Reads lines that end with CR LF, and with nothing else.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// The longest line of a mail, CR LF included (RFC 5321, 4.5.3.1.6).
const TEXT_LINE_BYTES_MAX: usize = 1_000;
/// The longest command. AUTH may take more than others (RFC 4954, 4).
const COMMAND_BYTES_MAX: usize = 12_288;

/// A line without its end, or why it is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(Vec<u8>),
    /// It was longer than it may be. It was read to its end.
    TooLong,
    /// It ended with LF alone, or has a CR in it. Some servers would take that for an end, others not: whoever can choose
    /// smuggles mail.
    BareEnd,
    /// The other side has closed.
    Closed,
}

pub(super) async fn command(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Line> {
    line(reader, COMMAND_BYTES_MAX).await
}

async fn line(reader: &mut (impl AsyncBufRead + Unpin), bytes_max: usize) -> io::Result<Line> {
    let mut text = Vec::new();
    let mut is_too_long = false;
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(Line::Closed);
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let piece = &available[..end.map_or(available.len(), |place| place + 1)];
        is_too_long |= text.len() + piece.len() > bytes_max;
        if !is_too_long {
            text.extend_from_slice(piece);
        }
        let length = piece.len();
        reader.consume(length);
        if end.is_some() {
            break;
        }
    }
    if is_too_long {
        return Ok(Line::TooLong);
    }
    match text.strip_suffix(b"\r\n") {
        Some(line) if !line.contains(&b'\r') => Ok(Line::Text(line.to_vec())),
        _ => Ok(Line::BareEnd),
    }
}

/// What came after DATA.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// A mail, its dots unstuffed.
    Mail(Vec<u8>),
    /// A mail that is refused, read to its end.
    Refused(&'static str),
    /// The other side closed before the end.
    Closed,
}

/// Reads a mail up to the dot that ends it.
pub(super) async fn data(reader: &mut (impl AsyncBufRead + Unpin), bytes_max: usize) -> io::Result<Data> {
    let mut mail = Vec::new();
    let mut refused = None;
    loop {
        let line = match line(reader, TEXT_LINE_BYTES_MAX).await? {
            Line::Closed => return Ok(Data::Closed),
            Line::TooLong => {
                refused.get_or_insert("554 5.6.0 A line has more than 998 octets");
                continue;
            }
            Line::BareEnd => {
                refused.get_or_insert("554 5.6.0 Lines end with CR LF, and neither stands alone");
                continue;
            }
            Line::Text(line) => line,
        };
        if line == b"." {
            return Ok(refused.map_or(Data::Mail(mail), Data::Refused));
        }
        let line = line.strip_prefix(b".").unwrap_or(&line);
        if mail.len() + line.len() + 2 > bytes_max {
            refused.get_or_insert("552 5.3.4 Message too big");
            mail = Vec::new();
        }
        if refused.is_none() {
            mail.extend_from_slice(line);
            mail.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    async fn check(input: &str, expected: Data) {
        assert_eq!(data(&mut input.as_bytes(), 40).await.unwrap(), expected, "{input:?}");
    }

    #[tokio::test]
    async fn a_mail_ends_with_a_dot_alone_and_stuffed_dots_are_taken_off() {
        check(
            "a\r\n..\r\n.b\r\n.\r\nQUIT\r\n",
            Data::Mail(b"a\r\n.\r\nb\r\n".to_vec()),
        )
        .await;
        check(".\r\n", Data::Mail(Vec::new())).await;
        check("a\r\n", Data::Closed).await;
    }

    #[tokio::test]
    async fn nothing_but_cr_lf_ends_a_line_and_so_a_mail() {
        let bare = Data::Refused("554 5.6.0 Lines end with CR LF, and neither stands alone");
        for smuggled in [
            "a\n.\nMAIL\r\n.\r\n",
            "a\r\n.\n\r\n.\r\n",
            "a\r.\r\n.\r\n",
            "a\n.\r\n.\r\n",
        ] {
            let refused = data(&mut smuggled.as_bytes(), 40).await.unwrap();
            assert_eq!(refused, bare, "{smuggled:?}");
        }
    }

    #[tokio::test]
    async fn what_is_too_long_is_read_to_its_end_and_refused() {
        let long = format!("{}\r\n.\r\n", "a".repeat(999));
        check(&long, Data::Refused("554 5.6.0 A line has more than 998 octets")).await;
        let much = format!("{}.\r\n", "aaaaaaaa\r\n".repeat(10));
        check(&much, Data::Refused("552 5.3.4 Message too big")).await;
    }
}

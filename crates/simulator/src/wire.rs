//! A connection that can be cut, so that an answer is lost as the network would lose it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

const WHOLE: u8 = 0;
const HALF: u8 = 1;
const NOTHING: u8 = 2;

/// What of the next answer may pass. A handler has it; the connection obeys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(Arc<AtomicU8>);

impl Cut {
    /// Nothing more passes; the connection ends.
    pub(crate) fn before_the_answer(&self) {
        self.0.store(NOTHING, Ordering::Release);
    }

    /// The head and half the body pass, or half the head if there is no body; then the connection ends.
    pub(crate) fn amid_the_answer(&self) {
        self.0.store(HALF, Ordering::Release);
    }
}

/// A connection and its cut.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    cut: Cut,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, cut: Cut) -> Self {
        Self { stream, cut }
    }
}

/// The bytes of an answer, begun with its head, that are half of it.
fn half(answer: &[u8]) -> usize {
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let head = head.map_or(answer.len(), |place| place + 4);
    match answer.len() - head {
        0 => head / 2,
        body => head + body / 2,
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.cut.0.load(Ordering::Acquire) {
            NOTHING => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            HALF => {
                let written = Pin::new(&mut this.stream).poll_write(cx, &buf[..half(buf)]);
                if written.is_ready() {
                    this.cut.before_the_answer();
                }
                written
            }
            WHOLE.. => Pin::new(&mut this.stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_answer_is_its_head_and_half_its_body() {
        assert_eq!(half(b"HTTP/1.1 200 OK\r\n\r\nabcd"), 21);
        assert_eq!(half(b"HTTP/1.1 202 OK\r\n\r\n"), 9);
    }
}

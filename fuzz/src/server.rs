//! A server on this machine that answers every request alike: what a provider is played by.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use http::HeaderMap;

/// More than that no client takes.
const HEADERS_MAX: usize = 50;
/// The headers that say where an answer ends, which is not for the answer to say.
const OURS: [&str; 3] = ["connection", "content-length", "transfer-encoding"];

/// A running server.
pub struct Server {
    base: String,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// Starts one.
    ///
    /// # Panics
    /// When no port can be opened.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let answer: Arc<Mutex<Vec<u8>>> = Arc::default();
        let told = Arc::clone(&answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = Arc::clone(&told);
                // A connection that ends is one that the client has closed.
                thread::spawn(move || drop(serve(stream, &told)));
            }
        });
        Self { base, answer }
    }

    /// Where it is, without a slash at the end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What it answers from now on.
    ///
    /// # Panics
    /// When one of its threads has.
    pub fn tell(&self, status: u16, headers: &HeaderMap, body: &[u8]) {
        let mut answer = format!("HTTP/1.1 {status} X\r\n").into_bytes();
        let theirs = headers.iter().filter(|(name, _)| !OURS.contains(&name.as_str()));
        for (name, value) in theirs.take(HEADERS_MAX) {
            answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        // Such answers have no body (RFC 9110, 6.4.1).
        if matches!(status, 204 | 304) {
            answer.extend(b"\r\n");
        } else {
            answer.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
            answer.extend(body);
        }
        *self.answer.lock().expect("no thread has panicked") = answer;
    }
}

fn serve(mut stream: TcpStream, answer: &Mutex<Vec<u8>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(length) = read_head(&mut reader)? {
        io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
        let answer = answer.lock().expect("no thread has panicked").clone();
        stream.write_all(&answer)?;
    }
    Ok(())
}

/// How long the body is that follows; `None`: the client has closed.
fn read_head(reader: &mut impl io::BufRead) -> io::Result<Option<u64>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap_or_default();
            }
            None if line.trim_end().is_empty() => return Ok(Some(length)),
            Some(_) | None => {}
        }
    }
}

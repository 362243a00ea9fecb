//! Providers' APIs that answer as they are told, or break off.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use providers::BaseUrl;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::pass;

/// Longer than any time limit.
const LONG_SECONDS: u64 = 60;
/// More than is read of an answer.
const HUGE_BYTES: usize = 5 * 1024 * 1024;

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// How many seconds go by before it comes.
    seconds: u64,
}

pub(crate) fn answer(status: u16, body: impl Into<String>) -> Answer {
    Answer {
        status,
        headers: Vec::new(),
        body: body.into(),
        seconds: 0,
    }
}

impl Answer {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.seconds = seconds;
        self
    }
}

/// A running API.
pub(crate) struct Api {
    pub(crate) url: String,
    /// Requests as they are shown, and their bodies as they came.
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Api {
    /// One that gives these answers one after another, and then the last one again and again.
    pub(crate) async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let (answers, shared): (Vec<_>, _) = (answers.into_iter().collect(), seen.clone());
        let router = Router::new().fallback(move |request: Request| {
            let (answers, seen) = (answers.clone(), shared.clone());
            async move {
                let request = written(request).await;
                let count = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request);
                    seen.len()
                };
                let answer = answers[(count - 1).min(answers.len() - 1)].clone();
                if answer.seconds > 0 {
                    pass(answer.seconds).await;
                }
                let Answer {
                    status, headers, body, ..
                } = answer;
                let response = Response::builder().status(status);
                let response = headers
                    .into_iter()
                    .fold(response, |response, (name, value)| response.header(name, value));
                response.body(Body::from(body)).unwrap()
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    pub(crate) fn base(&self) -> BaseUrl {
        BaseUrl::parse(&self.url).unwrap()
    }

    /// The requests that came: method, path and query; then what headers say that matter; then the body.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|(shown, _)| shown.clone())
            .collect()
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }
}

async fn written(request: Request) -> (String, String) {
    const SHOWN: [&str; 4] = ["authorization", "content-type", "idempotency-key", "user-agent"];
    let (parts, body) = request.into_parts();
    let mut written = format!("{} {}\n", parts.method, parts.uri);
    for name in SHOWN {
        if let Some(value) = parts.headers.get(name) {
            written += &format!("{name}: {}\n", value.to_str().unwrap());
        }
    }
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let shown = match serde_json::from_str::<serde_json::Value>(&body) {
        Ok(json) => serde_json::to_string_pretty(&json).unwrap(),
        Err(_) => body.replace('&', "\n&"),
    };
    (format!("{written}\n{shown}"), body)
}

/// How an API breaks off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Nobody listens.
    Refuse,
    /// It closes when it has read the request.
    Close,
    /// It closes within the head of its answer.
    CloseWithinHead,
    /// It closes within the body of an answer of this status.
    CloseWithinBody(u16),
    /// It says what is not HTTP.
    Garbage,
    /// It says nothing.
    Hang,
    /// It answers with this status and more than anybody wants to read.
    Huge(u16),
}

impl Fault {
    /// The base URL of an API that fails like this.
    pub(crate) async fn start(self) -> BaseUrl {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        if !matches!(self, Self::Refuse) {
            tokio::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    read_request(&mut stream).await;
                    tokio::spawn(async move {
                        match self {
                            Self::Refuse | Self::Close => {}
                            Self::CloseWithinHead => drop(stream.write_all(b"HTTP/1.1 20").await),
                            Self::CloseWithinBody(status) => {
                                let head =
                                    format!("HTTP/1.1 {status} X\r\nContent-Length: 100\r\n\r\n{{\"id\":\"abc\"");
                                drop(stream.write_all(head.as_bytes()).await);
                            }
                            Self::Garbage => drop(stream.write_all(b"220 mx.example.com ESMTP\r\n\r\n").await),
                            Self::Huge(status) => {
                                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {HUGE_BYTES}\r\n\r\n");
                                drop(stream.write_all(head.as_bytes()).await);
                                drop(stream.write_all(&vec![b' '; HUGE_BYTES]).await);
                            }
                            Self::Hang => {
                                pass(LONG_SECONDS).await;
                                std::future::pending::<()>().await;
                            }
                        }
                    });
                }
            });
        }
        BaseUrl::parse(&url).unwrap()
    }
}

/// All of it: closing with something unread would be another fault.
async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    loop {
        let read = stream.read_buf(&mut request).await.unwrap();
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if read == 0 || body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return;
        }
    }
}

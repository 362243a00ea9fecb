//! Requests byte by byte: libraries tidy up addresses before they send them, and Twilio signs addresses as they are.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request to be sent as it stands here.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) method: String,
    /// From the first slash on.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Raw {
    /// A POST without headers.
    pub(crate) fn post(target: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: "POST".into(),
            target: target.into(),
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// With one header more.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends it to `address` on a connection of its own.
    pub(crate) async fn send(&self, address: &str) -> Reply {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n",
            self.method, self.target
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection
            .write_all(&[head.as_bytes(), &self.body].concat())
            .await
            .unwrap();
        let mut answered = Vec::new();
        connection.read_to_end(&mut answered).await.unwrap();
        Reply::read(&answered)
    }
}

impl Reply {
    fn read(answered: &[u8]) -> Self {
        let text = String::from_utf8(answered.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        Self {
            status: status.parse().unwrap(),
            headers: lines.map(header).collect(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The job's id and whether it was there before, wherever the answer says it.
    pub(crate) fn job(&self) -> (Option<String>, bool) {
        if let Some(id) = self.header("x-relais-job") {
            return (Some(id.to_owned()), self.header("x-relais-duplicate") == Some("true"));
        }
        let body = self.json();
        (
            body["job"].as_str().map(str::to_owned),
            body["duplicate"].as_bool().unwrap(),
        )
    }
}

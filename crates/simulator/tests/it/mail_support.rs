//! Mail, said to servers in their own words.

use simulator::Simulator;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::support::LIMIT;

pub(crate) const ANA: &str = "ana@example.com";
pub(crate) const DESK: &str = "desk@mail.example.com";

/// A mail to Ana with this text.
pub(crate) fn mail(id: &str, text: &str) -> String {
    format!(
        "From: Desk <{DESK}>\r\nTo: {ANA}\r\nSubject: Your appointment\r\nMessage-ID: <{id}@mail.example.com>\r\n\r\n{text}\r\n"
    )
}

/// A client that says exactly what it is told to.
pub(crate) struct Dialogue(BufReader<TcpStream>);

impl Dialogue {
    /// Connected and greeted.
    pub(crate) async fn smtp(simulator: &Simulator) -> Self {
        let mut dialogue = Self::connect(simulator.smtp_address()).await;
        assert!(dialogue.hear().await.starts_with("220 "));
        dialogue
    }

    pub(crate) async fn connect(address: std::net::SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// One line, without its end. Empty when the other side has closed.
    pub(crate) async fn hear(&mut self) -> String {
        self.hear_line().await.unwrap_or_default()
    }

    /// One line, without its end. None when the other side has closed.
    pub(crate) async fn hear_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let heard = tokio::time::timeout(LIMIT, self.0.read_line(&mut line)).await;
        // A connection that is reset is closed too.
        let _ = heard.expect("something is heard");
        (!line.is_empty()).then(|| line.trim_end_matches("\r\n").to_owned())
    }

    /// So many bytes.
    pub(crate) async fn hear_bytes(&mut self, count: usize) -> String {
        let mut bytes = vec![0; count];
        let heard = tokio::time::timeout(LIMIT, self.0.read_exact(&mut bytes)).await;
        heard.expect("something is heard").unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Says a line and hears the last line of the answer.
    pub(crate) async fn ask(&mut self, line: &str) -> String {
        self.say(&format!("{line}\r\n")).await;
        loop {
            let heard = self.hear().await;
            if heard.as_bytes().get(3) != Some(&b'-') {
                return heard;
            }
        }
    }

    /// Says a line and checks how the answer begins.
    pub(crate) async fn expect(&mut self, line: &str, expected: &str) {
        let heard = self.ask(line).await;
        assert!(heard.starts_with(expected), "{line}: {heard}");
    }

    /// Says all of a mail up to its end.
    pub(crate) async fn mail(&mut self, to: &[&str], mail: &str) {
        self.expect("EHLO out.example.com", "250 ").await;
        self.expect(&format!("MAIL FROM:<{DESK}>"), "250 ").await;
        for to in to {
            self.expect(&format!("RCPT TO:<{to}>"), "250 ").await;
        }
        self.expect("DATA", "354 ").await;
        self.say(&format!("{mail}.\r\n")).await;
    }
}

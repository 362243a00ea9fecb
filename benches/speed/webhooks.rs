//! Signed webhooks, made before the clock starts: each another event, rightly signed, sent just now.

use std::ops::Range;

use providers::email::{SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use secrecy::SecretString;
use uuid::Uuid;

/// What a body is filled up to.
const BODY_BYTES: usize = 576;

/// Requests ready to be written to a connection, one after the other in one piece of memory.
pub(crate) struct Requests {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Requests {
    /// `count` requests that no other call makes again.
    pub(crate) fn new(path: &str, secret: &str, count: usize) -> Self {
        let secret = SecretString::from(secret);
        let run = Uuid::new_v4().simple().to_string();
        let timestamp = chrono::Utc::now().timestamp().to_string();
        let mut requests = Self {
            bytes: Vec::with_capacity(count * (BODY_BYTES + 320)),
            places: Vec::with_capacity(count),
        };
        for number in 0..count {
            let body = body(&run, number);
            let signature = sign(&secret, &timestamp, body.as_bytes());
            let length = body.len();
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
                 {TIMESTAMP_HEADER}: {timestamp}\r\n{SIGNATURE_HEADER}: {signature}\r\n\r\n{body}"
            );
            let from = requests.bytes.len();
            requests.bytes.extend_from_slice(request.as_bytes());
            requests.places.push(from..requests.bytes.len());
        }
        requests
    }

    pub(crate) fn get(&self, number: usize) -> Option<&[u8]> {
        self.places.get(number).map(|place| &self.bytes[place.clone()])
    }
}

fn body(run: &str, number: usize) -> String {
    let mut body = format!(
        r#"{{"provider":"sendgrid","external_id":"message-{run}-{number}","event":"opened","event_id":"event-{run}-{number}","occurred_at":"2026-01-31T09:30:00Z","recipient":"person.{number}@example.com","person_id":"person-{number}","url":"https://example.com/offers/{number}","subject":""#
    );
    // The two bytes that end the body are still to come.
    let missing = BODY_BYTES.saturating_sub(body.len() + 2);
    body.extend(std::iter::repeat_n('x', missing));
    body.push_str("\"}");
    body
}

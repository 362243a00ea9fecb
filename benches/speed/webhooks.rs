//! Signed webhooks, made before the clock starts: each another event, rightly signed, sent just now.

use std::fmt::Write as _;
use std::ops::Range;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use providers::{email, sendgrid, twilio};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the body of an e-mail event is filled up to.
const BODY_BYTES: usize = 576;

/// How requests are signed, and with what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Signs {
    /// One e-mail event: HMAC-SHA256 over the time and the body.
    Email { secret: String },
    /// As SendGrid: ECDSA with P-256 over the time and a body of so many events. The key is base64 of PKCS #8.
    SendGrid { pkcs8: String, events: usize },
    /// The status of a text message as Twilio tells it: HMAC-SHA1 over the address and the form.
    Twilio { token: String, url: String },
}

/// Requests ready to be written to a connection, one after the other in one piece of memory.
#[derive(Default)]
pub(crate) struct Requests {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Requests {
    /// `count` requests that no other call makes again.
    pub(crate) fn new(path: &str, signs: &Signs, count: usize) -> anyhow::Result<Self> {
        let run = Uuid::new_v4().simple().to_string();
        let timestamp = chrono::Utc::now().timestamp().to_string();
        let mut requests = Self::default();
        match signs {
            Signs::Email { secret } => {
                let secret = SecretString::from(secret.as_str());
                for number in 0..count {
                    let body = email_event(&run, number);
                    let signature = email::sign(&secret, &timestamp, body.as_bytes());
                    let headers = [
                        (email::TIMESTAMP_HEADER, &*timestamp),
                        (email::SIGNATURE_HEADER, &*signature),
                    ];
                    requests.push(path, "application/json", &headers, &body);
                }
            }
            Signs::SendGrid { pkcs8, events } => {
                let (pkcs8, random) = (STANDARD.decode(pkcs8)?, SystemRandom::new());
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &random)
                    .map_err(|error| anyhow!("the key cannot be used: {error}"))?;
                for number in 0..count {
                    let body = sendgrid_events(&run, &timestamp, number * events..(number + 1) * events);
                    let signed = [timestamp.as_bytes(), body.as_bytes()].concat();
                    let signature = key.sign(&random, &signed).ok().context("nothing was signed")?;
                    let signature = STANDARD.encode(signature);
                    let headers = [
                        (sendgrid::TIMESTAMP_HEADER, &*timestamp),
                        (sendgrid::SIGNATURE_HEADER, &*signature),
                    ];
                    requests.push(path, "application/json", &headers, &body);
                }
            }
            Signs::Twilio { token, url } => {
                let token = SecretString::from(token.as_str());
                for number in 0..count {
                    let form = twilio_status(&run, number);
                    let signature = twilio::sign(&token, url, form.as_bytes())?;
                    let headers = [(twilio::SIGNATURE_HEADER, &*signature)];
                    requests.push(
                        path,
                        "application/x-www-form-urlencoded; charset=utf-8",
                        &headers,
                        &form,
                    );
                }
            }
        }
        Ok(requests)
    }

    fn push(&mut self, path: &str, content_type: &str, headers: &[(&str, &str)], body: &str) {
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n");
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let length = body.len().to_string();
        head.extend(["Content-Length: ", &length, "\r\n\r\n"]);
        let from = self.bytes.len();
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(body.as_bytes());
        self.places.push(from..self.bytes.len());
    }

    pub(crate) fn get(&self, number: usize) -> Option<&[u8]> {
        self.places.get(number).map(|place| &self.bytes[place.clone()])
    }
}

fn email_event(run: &str, number: usize) -> String {
    let mut body = format!(
        r#"{{"provider":"sendgrid","external_id":"message-{run}-{number}","event":"opened","event_id":"event-{run}-{number}","occurred_at":"2026-01-31T09:30:00Z","recipient":"person.{number}@example.com","person_id":"person-{number}","url":"https://example.com/offers/{number}","subject":""#
    );
    // The two bytes that end the body are still to come.
    let missing = BODY_BYTES.saturating_sub(body.len() + 2);
    body.extend(std::iter::repeat_n('x', missing));
    body.push_str("\"}");
    body
}

/// With the fields that SendGrid sends with a delivery (documentation, "Event Webhook Reference").
fn sendgrid_events(run: &str, timestamp: &str, numbers: Range<usize>) -> String {
    let mut body = String::from("[");
    for number in numbers.clone() {
        let comma = if number == numbers.start { "" } else { "," };
        // A text takes everything.
        let _ = write!(
            body,
            r#"{comma}{{"email":"person.{number}@example.com","timestamp":{timestamp},"smtp-id":"<{run}.{number}@ismtpd0001p1iad2.sendgrid.net>","event":"delivered","category":["bench"],"sg_event_id":"event-{run}-{number}","sg_message_id":"message-{run}-{number}.filter0001.16648.5515E0B88.0","response":"250 2.0.0 OK","tls":1}}"#
        );
    }
    body.push(']');
    body
}

/// With the fields that Twilio sends with a message's status (documentation, "Track the Message Status of Outbound Messages").
fn twilio_status(run: &str, number: usize) -> String {
    format!(
        "AccountSid=AC00000000000000000000000000000001&ApiVersion=2010-04-01&From=%2B15005550006&MessageSid=SM{run}{number}\
         &MessageStatus=delivered&SmsSid=SM{run}{number}&SmsStatus=delivered&To=%2B12025550143"
    )
}

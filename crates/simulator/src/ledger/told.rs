//! What was told, and what was received.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::PersonalText;
use serde::Serialize;

use crate::provider::{Channel, Provider};

/// One attempt to tell something.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Told {
    /// Grows from one to the next.
    pub number: u64,
    /// Who told it.
    pub provider: Provider,
    /// Of whose account.
    pub account: String,
    /// About what: [`Effect::external_id`](crate::Effect::external_id) or a message that came in. None for a batch.
    pub external_id: Option<String>,
    /// The provider's word for what happened: `delivered`, `email.bounced`, `received`; those of a batch with commas.
    pub kind: String,
    /// Where to.
    pub url: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// What came of it.
    pub answer: Answer,
    /// Whether another attempt follows.
    pub again: bool,
    /// What the provider's own debugger would say about the answer: Twilio's error code.
    pub complaint: Option<&'static str>,
    /// SHA-256 of the body in hex.
    pub body_sha256: String,
}

/// What came of an attempt to tell something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// This status.
    Status(u16),
    /// Nobody was there.
    Unreachable,
    /// Somebody was there and did not answer in time.
    TimedOut,
    /// The connection broke.
    Broken,
    /// It was not told: the URL is none, or not on this machine.
    Withheld,
}

/// URLs may hold tokens, ids may be addresses.
impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told")
            .field("number", &self.number)
            .field("provider", &self.provider)
            .field("kind", &self.kind)
            .field("attempt", &self.attempt)
            .field("answer", &self.answer)
            .field("again", &self.again)
            .finish_non_exhaustive()
    }
}

/// What a telephone or a mailbox wrote to us.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Replied {
    /// Grows from one to the next, together with the numbers of effects.
    pub number: u64,
    /// Who brought it.
    pub provider: Provider,
    /// The way it came.
    pub channel: Channel,
    /// To whose account.
    pub account: String,
    /// What the provider calls it.
    pub external_id: String,
    /// The telephone or mailbox.
    pub from: PersonalText,
    /// Our number or address.
    pub to: PersonalText,
    /// The subject of a mail.
    pub subject: Option<PersonalText>,
    /// What is written.
    pub text: PersonalText,
    /// When.
    pub at: DateTime<Utc>,
}

/// Shows the way.
impl fmt::Debug for Replied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replied")
            .field("number", &self.number)
            .field("provider", &self.provider)
            .field("channel", &self.channel)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// A webhook that somebody sent to `/hook/{name}`.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Received {
    /// Grows from one to the next.
    pub number: u64,
    /// The name in the path.
    pub hook: String,
    /// When.
    pub at: DateTime<Utc>,
    /// `webhook-id`: the same on every attempt.
    pub id: Option<String>,
    /// Whether it is genuine.
    pub proof: Proof,
    /// The status that it was answered with.
    pub status: u16,
    /// The body, every byte of it.
    #[serde(serialize_with = "as_text")]
    pub body: Bytes,
}

/// Whether a webhook that was received is genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// No secret is known for this name.
    Unchecked,
    /// Rightly signed, and of now.
    Genuine,
    /// Not signed, wrongly signed, or not of now.
    Refused,
}

/// Shows whether it is genuine.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("number", &self.number)
            .field("hook", &self.hook)
            .field("proof", &self.proof)
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn as_text<S: serde::Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(body))
}

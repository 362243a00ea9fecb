//! What was accepted.

use std::fmt;

use chrono::{DateTime, Utc};
use domain::PersonalText;
use ring::digest::{Context, SHA256};
use serde::Serialize;

use crate::provider::{Channel, Provider};
use crate::script::Status;

/// The longest text that is kept to be shown. Longer ones are cut; their hash is of the whole.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// A message to one recipient that a provider has accepted, or a number that it has sold: what cannot be taken back.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Effect {
    /// Grows from one to the next.
    pub number: u64,
    /// Who accepted it.
    pub provider: Provider,
    /// The way it goes.
    pub channel: Channel,
    /// Whose account: Twilio's SID, Green-API's instance, else the account's name.
    pub account: String,
    /// What the provider calls it. Several recipients of one mail share it.
    pub external_id: String,
    /// What the sender calls it, where providers have a place for that: SendGrid's custom argument `message_id`, Resend's
    /// tag of that name, a mail's Message-ID.
    pub reference: Option<String>,
    /// The Idempotency-Key that it came with.
    pub idempotency_key: Option<String>,
    /// How often it was asked for with this key.
    pub seen: u32,
    /// Who it says it is from.
    pub from: PersonalText,
    /// To whom: a number as in E.164, or an address.
    pub to: PersonalText,
    /// Where an answer goes to, if not there.
    pub reply_to: Option<PersonalText>,
    /// The subject of a mail.
    pub subject: Option<PersonalText>,
    /// What is written, as text, cut at [`TEXT_BYTES_MAX`].
    pub text: PersonalText,
    /// SHA-256 in hex of all that the recipient gets to read: the same text to the same recipient twice is the same hash.
    pub body_sha256: String,
    /// When.
    pub accepted_at: DateTime<Utc>,
    /// What became of it, oldest first.
    pub history: Vec<Passed>,
}

/// How far an [`Effect`] came, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Passed {
    /// How far.
    pub status: Status,
    /// Why, if the script says so.
    pub code: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl Effect {
    /// How far it came.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.history.last().map(|passed| passed.status)
    }
}

/// Shows who accepted what kind of thing. Ids stay hidden, because some are addresses.
impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effect")
            .field("number", &self.number)
            .field("provider", &self.provider)
            .field("channel", &self.channel)
            .field("to", &self.to)
            .field("seen", &self.seen)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// What a provider says about a thing that it accepts. The rest of the [`Effect`] is the ledger's.
pub(crate) struct Draft<'a> {
    pub(crate) provider: Provider,
    pub(crate) channel: Channel,
    pub(crate) account: &'a str,
    pub(crate) external_id: &'a str,
    pub(crate) reference: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) reply_to: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) text: &'a str,
    pub(crate) body_sha256: String,
}

impl Draft<'_> {
    pub(super) fn accept(self, number: u64, accepted_at: DateTime<Utc>) -> Effect {
        Effect {
            number,
            provider: self.provider,
            channel: self.channel,
            account: self.account.to_owned(),
            external_id: self.external_id.to_owned(),
            reference: self.reference,
            idempotency_key: self.idempotency_key,
            seen: 1,
            from: PersonalText::new(self.from),
            to: PersonalText::new(self.to),
            reply_to: self.reply_to.map(PersonalText::new),
            subject: self.subject.map(PersonalText::new),
            text: PersonalText::new(cut(self.text)),
            body_sha256: self.body_sha256,
            accepted_at,
            history: Vec::new(),
        }
    }
}

/// What fits into [`TEXT_BYTES_MAX`].
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// SHA-256 in hex of several texts, so that no two lists of texts have the same.
pub(crate) fn sha256<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.as_ref().len() as u64).to_be_bytes());
        context.update(part.as_ref());
    }
    hex::encode(context.finish())
}

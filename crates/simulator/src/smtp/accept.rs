//! A mail has come: it is written down, delivered, and its way begins.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;

use super::SmtpAccount;
use super::events::EventTeller;
use crate::course::Course;
use crate::ledger::{Draft, sha256};
use crate::mail::Seen;
use crate::provider::{Channel, Provider};
use crate::world::World;

/// A mail with its envelope.
pub(super) struct Mail {
    from: String,
    pub(super) to: Vec<String>,
    raw: Bytes,
    seen: Seen,
    /// Of all that recipients get to read. Headers are left out: a repetition has another date.
    pub(super) body_sha256: String,
}

impl Mail {
    pub(super) fn new(from: String, to: Vec<String>, raw: Bytes) -> Self {
        let seen = Seen::of_mail(&raw);
        let body = raw.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let body = body.map_or(&raw[..], |place| &raw[place + 4..]);
        Self {
            body_sha256: sha256([seen.subject.as_bytes(), body]),
            from,
            to,
            raw,
            seen,
        }
    }

    /// Returns what the server calls it.
    pub(super) fn accept(self, world: &Arc<World>, account: Option<&Arc<SmtpAccount>>) -> String {
        let Self { seen, body_sha256, .. } = self;
        let now = Utc::now();
        let queued_as = world.look(|state| state.dice.hex(10).to_uppercase());
        let message_id = seen
            .message_id
            .clone()
            .unwrap_or_else(|| format!("{queued_as}@simulator"));
        // What stands before the @ is the sender's own.
        let reference = seen
            .message_id
            .as_deref()
            .and_then(|id| id.split('@').next())
            .map(str::to_owned);
        for to in &self.to {
            let number = world.change(|state| {
                state.mailboxes.deliver(to, self.raw.clone(), now);
                let draft = Draft {
                    provider: Provider::Smtp,
                    channel: Channel::Email,
                    account: name(account),
                    external_id: &message_id,
                    reference: reference.clone(),
                    idempotency_key: None,
                    from: seen.from.as_deref().unwrap_or(&self.from),
                    to,
                    reply_to: seen.reply_to.as_deref(),
                    subject: Some(&seen.subject),
                    text: &seen.text,
                    body_sha256: body_sha256.clone(),
                };
                state.ledger.accept(draft, now)
            });
            let course = Course {
                number,
                provider: Provider::Smtp,
                recipient: to.clone(),
                body_sha256: body_sha256.clone(),
                wait: Duration::ZERO,
                teller: Box::new(EventTeller {
                    account: account.cloned(),
                    message_id: message_id.clone(),
                    recipient: to.clone(),
                    subject: seen.subject.clone(),
                    link: seen.link.clone(),
                }),
            };
            course.start(world);
        }
        queued_as
    }
}

/// What the ledger calls an account, also the one of those who need none.
pub(super) fn name(account: Option<&Arc<SmtpAccount>>) -> &str {
    account.map_or("open", |account| &account.username)
}

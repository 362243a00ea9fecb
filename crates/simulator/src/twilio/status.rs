//! Tells how far a message came. Source: Twilio's documentation, "Track outbound message status".

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use providers::twilio::{SIGNATURE_HEADER, sign};
use secrecy::SecretString;
use url::form_urlencoded::Serializer;

use super::account::TwilioAccount;
use super::create::with_prefix;
use super::memory::Message;
use super::{overrides, twiml};
use crate::callback::{Callback, Prove};
use crate::course::{Parcel, Tell};
use crate::provider::{Channel, Provider};
use crate::script::{Status, Step};
use crate::world::World;

pub(super) const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";

/// Twilio's word. None for what it does not tell.
pub(super) fn word(channel: Channel, status: Status) -> Option<&'static str> {
    Some(match status {
        Status::Queued => "queued",
        Status::Sent => "sent",
        Status::Delivered => "delivered",
        Status::Read if channel == Channel::Whatsapp => "read",
        Status::Undelivered | Status::Bounced => "undelivered",
        Status::Failed | Status::Dropped => "failed",
        _ => return None,
    })
}

/// Why, when a script does not say.
pub(super) fn usual_code(channel: Channel, status: Status) -> Option<&'static str> {
    let by_telephone = channel == Channel::Sms;
    Some(match status {
        Status::Undelivered if by_telephone => "30003",
        Status::Bounced if by_telephone => "30005",
        Status::Undelivered | Status::Bounced => "63024",
        Status::Dropped if by_telephone => "30007",
        Status::Failed if by_telephone => "30008",
        Status::Failed | Status::Dropped => "63016",
        _ => return None,
    })
}

/// Tells about one message.
pub(super) struct StatusTeller {
    pub(super) account: Arc<TwilioAccount>,
    /// With its fragment. Empty when nobody wants to hear.
    pub(super) url: String,
    pub(super) message: Message,
}

impl Tell for StatusTeller {
    fn tell(&self, world: &Arc<World>, step: &Step, happened_at: DateTime<Utc>) -> Option<Parcel> {
        let message = &self.message;
        let word = word(message.channel, step.status)?;
        // The first status is in the answer to the request, and told to nobody else.
        if self.url.is_empty() || word == message.first {
            return None;
        }
        let code = step
            .code
            .as_deref()
            .or_else(|| usual_code(message.channel, step.status));
        let body = self.form(step.status, word, code, happened_at);
        let callback = callback(world, &self.account, &self.url, &message.sid, word, body);
        Some(Parcel::Alone(Callback {
            listener: Some(Arc::new(twiml::Quiet)),
            ..callback
        }))
    }
}

impl StatusTeller {
    fn form(&self, status: Status, word: &str, code: Option<&str>, happened_at: DateTime<Utc>) -> String {
        let message = &self.message;
        let from = message.from.as_deref().unwrap_or(self.account.service_number());
        let from = with_prefix(message.channel, from);
        let to = with_prefix(message.channel, &message.to);
        let mut form = Serializer::new(String::new());
        let mut pair = |name: &str, value: &str| {
            form.append_pair(name, value);
        };
        pair("SmsSid", &message.sid);
        pair("SmsStatus", word);
        pair("MessageStatus", word);
        pair("To", &to);
        pair("MessageSid", &message.sid);
        pair("AccountSid", &self.account.sid);
        pair("From", &from);
        pair("ApiVersion", "2010-04-01");
        if let Some(service) = &message.service {
            pair("MessagingServiceSid", service);
        }
        if let Some(code) = code {
            pair("ErrorCode", code);
        }
        if message.channel == Channel::Whatsapp {
            pair("ChannelPrefix", "whatsapp");
            pair("ChannelToAddress", &message.to);
            // Seen in recorded requests, not in the documentation.
            match status {
                Status::Sent => pair("StructuredMessage", "false"),
                Status::Delivered | Status::Read | Status::Undelivered => pair("EventType", &word.to_uppercase()),
                _ => {}
            }
        } else if matches!(word, "delivered" | "undelivered") {
            pair("RawDlrDoneDate", &happened_at.format("%y%m%d%H%M").to_string());
        }
        form.finish()
    }
}

/// A request of Twilio to our side.
pub(super) fn callback(
    world: &World,
    account: &TwilioAccount,
    url: &str,
    about: &str,
    kind: &str,
    body: String,
) -> Callback {
    let token = world.look(|state| state.dice.uuid().to_string());
    Callback {
        provider: Provider::Twilio,
        account: account.sid.clone(),
        external_id: Some(about.to_owned()),
        kind: kind.to_owned(),
        url: overrides::address(url).to_owned(),
        content_type: FORM,
        body: Bytes::from(body),
        proof: Arc::new(Signed {
            auth_token: account.auth_token.clone(),
            token,
        }),
        manner: overrides::manner(url),
        listener: None,
    }
}

/// Signed with the auth token.
struct Signed {
    auth_token: SecretString,
    /// The same on all attempts.
    token: String,
}

impl Prove for Signed {
    fn headers(&self, url: &str, body: &[u8], _: DateTime<Utc>) -> Vec<(&'static str, String)> {
        // An account without a token is never taken on.
        let signature = sign(&self.auth_token, url, body).unwrap_or_default();
        vec![
            (SIGNATURE_HEADER, signature),
            ("I-Twilio-Idempotency-Token", self.token.clone()),
        ]
    }
}

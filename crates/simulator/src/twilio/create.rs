//! A message is to be sent.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use url::Url;

use super::account::{TwilioAccount, authenticate};
use super::error::{self, Twilio};
use super::memory::Message;
use super::status::StatusTeller;
use super::{magic, messages};
use crate::call;
use crate::course::Course;
use crate::fault::Called;
use crate::ledger::{Draft, sha256};
use crate::provider::{Channel, Provider};
use crate::web::Asked;
use crate::world::{State as Remembered, World};

const BODY_CHARACTERS_MAX: usize = 1_600;
const MEDIA_MAX: usize = 10;
const WHATSAPP: &str = "whatsapp:";

/// `POST /Messages.json`
pub(super) async fn create(State(world): State<Arc<World>>, Path(sid): Path<String>, asked: Asked) -> Response {
    let account = match authenticate(&world, &asked, &sid) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    let wish = Wish::read(&asked.form());
    let fingerprint = wish.hash();
    let called = Called {
        provider: Provider::Twilio,
        recipient: without_prefix(&wish.to).1,
        fingerprint: fingerprint.as_bytes(),
        is_lookup: false,
    };
    let execute = || accept(&world, &account, &wish);
    call::answer(&world, &asked.cut, &sid, called, &Twilio, execute).await
}

/// The parameters of a request.
#[derive(Default)]
struct Wish {
    to: String,
    from: String,
    service: String,
    body: String,
    media: Vec<String>,
    content: String,
    variables: String,
    status_callback: String,
    send_at: String,
}

impl Wish {
    fn read(form: &[(String, String)]) -> Self {
        let mut wish = Self::default();
        for (name, value) in form {
            let place = match name.as_str() {
                "To" => &mut wish.to,
                "From" => &mut wish.from,
                "MessagingServiceSid" => &mut wish.service,
                "Body" => &mut wish.body,
                "ContentSid" => &mut wish.content,
                "ContentVariables" => &mut wish.variables,
                "StatusCallback" => &mut wish.status_callback,
                "SendAt" => &mut wish.send_at,
                "MediaUrl" => {
                    wish.media.push(value.clone());
                    continue;
                }
                _ => continue,
            };
            place.clone_from(value);
        }
        wish
    }

    /// Of all that the recipient gets to read.
    fn hash(&self) -> String {
        let texts = [&self.to, &self.body, &self.content, &self.variables];
        sha256(texts.into_iter().chain(&self.media))
    }

    /// What is shown of it: a template has no text that is known here.
    fn text(&self) -> String {
        match (self.body.as_str(), self.content.as_str()) {
            ("", "") => self.media.join("\n"),
            ("", content) => format!("{content} {}", self.variables),
            (body, _) => body.to_owned(),
        }
    }

    /// The code that it is refused with, in the order in which things are checked.
    fn fault(&self, state: &Remembered, account: &TwilioAccount) -> Option<u32> {
        let (channel, to) = without_prefix(&self.to);
        let (sender_channel, from) = without_prefix(&self.from);
        let has_sender = !from.is_empty() || !self.service.is_empty();
        let checks = [
            (to.is_empty(), 21604),
            (!has_sender, 21603),
            (
                self.body.is_empty() && self.media.is_empty() && self.content.is_empty(),
                21602,
            ),
            (!is_number(to), 21211),
            (!from.is_empty() && !is_number(from) && !is_name(from), 21212),
            (self.body.chars().count() > BODY_CHARACTERS_MAX, 21617),
            (
                self.media.len() > MEDIA_MAX || !self.media.iter().all(|url| is_url(url)),
                21620,
            ),
            (!self.variables.is_empty() && !are_variables(&self.variables), 21656),
            (
                !self.status_callback.is_empty() && !is_url(&self.status_callback),
                21609,
            ),
            (!from.is_empty() && channel != sender_channel, 63007),
        ];
        let first = checks.into_iter().find(|(is_wrong, _)| *is_wrong).map(|(_, code)| code);
        first
            .or_else(|| magic::from(from))
            .or_else(|| magic::to(to))
            .or_else(|| (!from.is_empty() && !may_send(state, account, from)).then_some(21606))
            .or_else(|| (channel == Channel::Sms && has_opted_out(state, account, from, to)).then_some(21610))
    }
}

fn accept(world: &Arc<World>, account: &Arc<TwilioAccount>, wish: &Wish) -> Response {
    let now = Utc::now();
    let wait = wait(&wish.send_at, now);
    let made = world.change(|state| {
        if let Some(code) = wish.fault(state, account) {
            return Err(code);
        }
        let message = message(state, account, wish, wait, now);
        let shown = messages::shown(state, &message);
        state.twilio.messages.push(message.clone());
        Ok((message, shown))
    });
    let (message, shown) = match made {
        Ok(made) => made,
        Err(code) => return error::refuse(code),
    };
    let course = Course {
        number: message.number,
        provider: Provider::Twilio,
        recipient: message.to.clone(),
        body_sha256: wish.hash(),
        wait,
        teller: Box::new(StatusTeller {
            account: Arc::clone(account),
            url: wish.status_callback.clone(),
            message,
        }),
    };
    course.start(world);
    (StatusCode::CREATED, Json(shown)).into_response()
}

fn message(
    state: &mut Remembered,
    account: &TwilioAccount,
    wish: &Wish,
    wait: Duration,
    now: DateTime<Utc>,
) -> Message {
    let (channel, to) = without_prefix(&wish.to);
    let from = without_prefix(&wish.from).1;
    // Pictures and all that goes by WhatsApp are MM, plain texts SM.
    let is_plain = wish.media.is_empty() && channel == Channel::Sms;
    let sid = format!("{}{}", if is_plain { "SM" } else { "MM" }, state.dice.hex(32));
    let number = state.ledger.accept(
        Draft {
            provider: Provider::Twilio,
            channel,
            account: &account.sid,
            external_id: &sid,
            reference: None,
            idempotency_key: None,
            from: if from.is_empty() {
                account.service_number()
            } else {
                from
            },
            to,
            reply_to: None,
            subject: None,
            text: &wish.text(),
            body_sha256: wish.hash(),
        },
        now,
    );
    Message {
        sid,
        number,
        account: account.sid.clone(),
        channel,
        from: (!from.is_empty()).then(|| from.to_owned()),
        to: to.to_owned(),
        body: wish.body.clone(),
        service: (!wish.service.is_empty()).then(|| wish.service.clone()),
        media: wish.media.len(),
        direction: "outbound-api",
        first: match (wait.is_zero(), wish.service.as_str()) {
            (false, _) => "scheduled",
            (true, "") => "queued",
            (true, _) => "accepted",
        },
        created_at: now,
    }
}

/// Until `SendAt`.
fn wait(send_at: &str, now: DateTime<Utc>) -> Duration {
    let send_at = DateTime::parse_from_rfc3339(send_at).ok();
    let wait = send_at.map(|at| at.to_utc() - now);
    wait.and_then(|wait| wait.to_std().ok()).unwrap_or_default()
}

/// The channel that an address names, and the rest of it.
pub(super) fn without_prefix(address: &str) -> (Channel, &str) {
    match address.strip_prefix(WHATSAPP) {
        Some(number) => (Channel::Whatsapp, number),
        None => (Channel::Sms, address),
    }
}

/// With what names the channel.
pub(super) fn with_prefix(channel: Channel, number: &str) -> String {
    match channel {
        Channel::Whatsapp => format!("{WHATSAPP}{number}"),
        _ => number.to_owned(),
    }
}

/// The form of E.164: a plus and 7 to 15 digits, no zero first.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A sender's name: up to 11 characters, a letter among them.
fn is_name(text: &str) -> bool {
    text.len() <= 11
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b" +-_&".contains(&byte))
}

fn is_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn are_variables(text: &str) -> bool {
    let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
    object.is_ok_and(|object| object.len() <= 100 && object.values().all(serde_json::Value::is_string))
}

fn may_send(state: &Remembered, account: &TwilioAccount, from: &str) -> bool {
    let mut bought = state.twilio.owned.iter().filter(|owned| owned.account == account.sid);
    is_name(from)
        || account.numbers.is_empty()
        || account.numbers.iter().any(|number| number == from)
        || bought.any(|owned| owned.phone_number == from)
}

fn has_opted_out(state: &Remembered, account: &TwilioAccount, from: &str, to: &str) -> bool {
    let mut all = state.twilio.opted_out.iter();
    all.any(|one| one.account == account.sid && one.to == to && (from.is_empty() || one.from == from))
}

//! What providers, and whoever takes our webhooks, answer to a call. Input: a letter for the call and the status
//! (`a202`), lines `name: value`, an empty line, and the body; `{to}`, `{address}`, `{text}`, `{secret}`, `{key}` and
//! `{place}` stand for what the call told.

#![no_main]

use std::sync::LazyLock;

use chrono::TimeDelta;
use domain::{E164, EmailAddress, MessageId, PersonalText};
use http::HeaderMap;
use jobs::hooks::{HookError, Hooks, OwnHook};
use libfuzzer_sys::fuzz_target;
use providers::outgoing::{
    ContentTemplate, EmailContent, Line, Mailbox, OutgoingEmail, OutgoingText, OutgoingWhatsapp, TextFrom,
    WhatsappContent,
};
use providers::{BaseUrl, Credentials, Excerpt, Failure, HttpClient, Outgoing, Provider, SendError, Sender, StandIns};
use relais_fuzz::{
    SECRET, Server, check_event, first_line, head_and_body, headers_in, now, odd_texts, shows_none, standard_key,
    stands_alone,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use store::HotLeadHook;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

/// To whom, and what.
const DIGITS: &str = "12025550143";
const ADDRESS: &str = "ana@example.com";
const TEXT: &str = "Your appointment is at half past nine";
/// Where a tenant's webhook is taken.
const PLACE: &str = "fixture-place-0001";
const ACCOUNT: &str = "AC00000000000000000000000000000001";

/// Every way to call.
#[derive(Clone, Copy)]
enum Call {
    /// Sends a mail.
    Mail(Provider),
    /// Sends a text message.
    Text,
    /// Sends a text by WhatsApp.
    Whatsapp(Provider),
    /// Sends a template by WhatsApp.
    Template,
    /// Asks how far a message came.
    Fetch(Provider),
    /// Looks for a message.
    LookUp(Provider),
    /// Posts a webhook of a tenant's.
    Hook,
    /// Posts a webhook of the installation's.
    OwnHook,
}

const CALLS: [Call; 12] = [
    Call::Mail(Provider::SendGrid),
    Call::Mail(Provider::Resend),
    Call::Text,
    Call::Whatsapp(Provider::Twilio),
    Call::Whatsapp(Provider::GreenApi),
    Call::Template,
    Call::Fetch(Provider::Twilio),
    Call::Fetch(Provider::GreenApi),
    Call::LookUp(Provider::Twilio),
    Call::LookUp(Provider::GreenApi),
    Call::Hook,
    Call::OwnHook,
];

struct World {
    runtime: Runtime,
    server: Server,
    http: HttpClient,
    stand_ins: StandIns,
    hooks: Hooks,
    own_hook: OwnHook,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let server = Server::start();
    let base = || BaseUrl::parse(server.base()).ok();
    let own = server.base().parse().expect("a URL");
    World {
        runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
        http: HttpClient::new().expect("a client"),
        stand_ins: StandIns {
            sendgrid: base(),
            resend: base(),
            twilio: base(),
            green_api: base(),
            files: None,
            hooks: None,
        },
        hooks: Hooks::new(base()).expect("a client"),
        own_hook: OwnHook::new(own, standard_key()).expect("a client"),
        server,
    }
});

/// What came back.
struct Told {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

fuzz_target!(|data: &[u8]| {
    let (line, rest) = first_line(data);
    let Some((letter, status)) = line.split_first() else {
        return;
    };
    let call = CALLS[usize::from(letter.wrapping_sub(b'a')) % CALLS.len()];
    let status = std::str::from_utf8(status)
        .ok()
        .and_then(|status| status.trim().parse().ok());
    let rest = repeated(rest);
    let (lines, body) = head_and_body(&rest);
    let told = Told {
        // Below it there is more to come.
        status: status.unwrap_or(200_u16).clamp(200, 999),
        headers: headers_in(lines),
        body: body.to_vec(),
    };
    WORLD.server.tell(told.status, &told.headers, &told.body);
    match call {
        Call::Mail(provider) => send(
            provider,
            &Outgoing::Email(Box::new(mail())),
            &[ADDRESS, TEXT, SECRET],
            &told,
        ),
        Call::Text => send(
            Provider::Twilio,
            &Outgoing::Text(text()),
            &[DIGITS, TEXT, SECRET],
            &told,
        ),
        Call::Whatsapp(provider) => send(provider, &whatsapp(), &[DIGITS, TEXT, SECRET], &told),
        Call::Template => send(Provider::Twilio, &template(), &[DIGITS, TEXT, SECRET], &told),
        Call::Fetch(provider) => fetch(provider, &told),
        Call::LookUp(provider) => look_up(provider, &told),
        Call::Hook => hook(&told),
        Call::OwnHook => own_hook(&told),
    }
});

/// The answer with what the call told in place of what stands for it.
fn repeated(data: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(data) else {
        return data.to_vec();
    };
    let key = standard_key();
    let told = [
        ("{to}", DIGITS),
        ("{address}", ADDRESS),
        ("{text}", TEXT),
        ("{secret}", SECRET),
        ("{key}", key.expose_secret()),
        ("{place}", PLACE),
    ];
    let told = told
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
    told.into_bytes()
}

/// Nothing counts as sent that has no id, or an id that the provider did not say; what was taken and cannot be named is
/// never called unsent.
fn send(provider: Provider, message: &Outgoing, personal: &[&str], told: &Told) {
    match WORLD.runtime.block_on(sender(provider).send(message, now())) {
        Ok(sent) => {
            assert!(told.is_success(), "sent, although the answer was {}", told.status);
            assert!(
                told.names(&sent.external_id),
                "an id that nobody gave: {:?}",
                sent.external_id
            );
        }
        Err(error) => {
            let is_settled = error.is_surely_unsent();
            assert!(!(told.is_success() && is_settled), "taken, and called unsent: {error}");
            check_error(&error, personal, told);
        }
    }
}

/// Whoever only asks sends nothing, whatever the answer is.
fn fetch(provider: Provider, told: &Told) {
    let external_id = "SM00000000000000000000000000000001";
    match WORLD
        .runtime
        .block_on(sender(provider).fetch(external_id, &to(), now()))
    {
        Ok(None) => assert!(told.status == 404 || (told.is_success() && provider == Provider::GreenApi)),
        Ok(Some(event)) => {
            let event = event.into_inner();
            assert!(told.is_success(), "told, although the answer was {}", told.status);
            check_event(&event);
            shows_none(&format!("{event:?} {:?}", event.news), &odd_texts(&told.body));
        }
        Err(error) => {
            assert!(
                error.is_surely_unsent(),
                "a question that may have sent something: {error}"
            );
            check_error(&error, &[SECRET], told);
        }
    }
}

fn look_up(provider: Provider, told: &Told) {
    let sent_at = now() - TimeDelta::minutes(10);
    match WORLD
        .runtime
        .block_on(sender(provider).look_up(&whatsapp(), sent_at, now()))
    {
        Ok(found) => {
            assert!(told.is_success(), "found, although the answer was {}", told.status);
            for sent in found {
                assert!(
                    told.names(&sent.external_id),
                    "an id that nobody gave: {:?}",
                    sent.external_id
                );
            }
        }
        Err(error) => {
            assert!(
                error.is_surely_unsent(),
                "a question that may have sent something: {error}"
            );
            check_error(&error, &[SECRET], told);
        }
    }
}

fn hook(told: &Told) {
    let hook = HotLeadHook {
        url: format!("https://hooks.example.com/{PLACE}").into(),
        secret: standard_key(),
    };
    let lead = json!({ "lead": TEXT });
    match WORLD.runtime.block_on(WORLD.hooks.post(&hook, "msg_1", &lead, now())) {
        Ok(()) => assert!(told.is_success(), "taken, although the answer was {}", told.status),
        Err(untaken) => {
            check_refusal(untaken.error, told);
            let key = hook.secret.expose_secret().trim_start_matches("whsec_");
            check_excerpt(untaken.call.as_deref(), &["hooks.example.com", PLACE, TEXT, key]);
        }
    }
}

fn own_hook(told: &Told) {
    let alert = json!({ "alert": TEXT });
    match WORLD.runtime.block_on(WORLD.own_hook.post("msg_1", &alert, now())) {
        Ok(()) => assert!(told.is_success(), "taken, although the answer was {}", told.status),
        Err(error) => check_refusal(error, told),
    }
}

fn check_refusal(error: HookError, told: &Told) {
    match error {
        HookError::Refused(status) => assert_eq!(status, told.status),
        HookError::Later(status, _) => assert!(status == told.status && matches!(status, 429 | 503)),
        HookError::Away => panic!("an answer that was not heard: {}", told.status),
        HookError::Unusable => panic!("an address that cannot be used"),
    }
    assert!(!told.is_success(), "refused, although the answer was {}", told.status);
    drop(error.meaning());
}

fn check_error(error: &SendError, personal: &[&str], told: &Told) {
    shows_none(&error.to_string(), &odd_texts(&told.body));
    check_excerpt(error.excerpt.as_deref(), personal);
    for value in personal {
        assert!(
            !stands_alone(&format!("{error} {error:?}"), value, &[]),
            "this shows {value:?}: {error:?}"
        );
    }
    if let Some(until) = error.until {
        let wait = until - now();
        assert!(
            wait >= TimeDelta::zero() && wait <= TimeDelta::days(1),
            "a wait of {wait}"
        );
        assert!(
            matches!(error.failure, Failure::RateLimited | Failure::Deferred),
            "{error:?} is to wait"
        );
    }
}

/// What is kept of a call tells neither whom it was for nor what it said, nor by what the account is entered.
fn check_excerpt(excerpt: Option<&Excerpt>, personal: &[&str]) {
    let Some(Excerpt { request, response }) = excerpt else {
        return;
    };
    let shown = format!("{request}\n{}", response.as_deref().unwrap_or_default());
    for value in personal {
        assert!(
            !stands_alone(&shown, value, &[]),
            "this is kept with {value:?}: {shown}"
        );
    }
}

impl Told {
    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it gives something this name: an id is no control character, and short enough to be kept.
    fn names(&self, id: &str) -> bool {
        let in_header = |value: &http::HeaderValue| value.to_str().is_ok_and(|value| value == id);
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let is_usable = (1..=255).contains(&id.len()) && !id.contains(char::is_control);
        is_usable && (self.headers.values().any(in_header) || has(&body, id))
    }
}

fn has(value: &Value, id: &str) -> bool {
    match value {
        Value::String(text) => text == id,
        Value::Number(number) => number.to_string() == id,
        Value::Array(list) => list.iter().any(|value| has(value, id)),
        Value::Object(fields) => fields.values().any(|value| has(value, id)),
        Value::Null | Value::Bool(_) => false,
    }
}

fn sender(provider: Provider) -> Sender {
    let json = match provider {
        Provider::Twilio => json!({ "account_sid": ACCOUNT, "auth_token": SECRET }),
        Provider::GreenApi => json!({ "id_instance": 1_101_000_001, "api_token_instance": SECRET }),
        _ => json!({ "api_key": SECRET }),
    };
    let credentials = Credentials::parse(provider, json.to_string().as_bytes()).expect("credentials");
    Sender::new(&credentials, &WORLD.http, &WORLD.stand_ins).expect("a sender")
}

fn id() -> MessageId {
    MessageId(Uuid::from_u128(7))
}

fn mailbox(address: &str) -> Mailbox {
    Mailbox::new(&EmailAddress::parse(address).expect("an address")).expect("a mailbox")
}

fn mail() -> OutgoingEmail {
    OutgoingEmail {
        id: id(),
        from: mailbox("desk@mail.example.com"),
        reply_to: None,
        to: mailbox(ADDRESS),
        subject: Line::new("Appointment"),
        content: EmailContent::Text(PersonalText::new(TEXT)),
        attachments: Vec::new(),
        unsubscribe: None,
        headers: Vec::new(),
    }
}

fn from() -> TextFrom {
    TextFrom::Number(E164::parse("+15005550006").expect("a number"))
}

fn to() -> E164 {
    E164::parse(&format!("+{DIGITS}")).expect("a number")
}

fn text() -> OutgoingText {
    OutgoingText {
        id: id(),
        from: from(),
        to: to(),
        body: PersonalText::new(TEXT),
        valid_for: None,
        report_to: None,
    }
}

fn whatsapp() -> Outgoing {
    by_whatsapp(WhatsappContent::Text(PersonalText::new(TEXT)))
}

fn template() -> Outgoing {
    by_whatsapp(WhatsappContent::Template {
        template: ContentTemplate::parse("HX00000000000000000000000000000001").expect("a template"),
        variables: [("1".to_owned(), PersonalText::new(TEXT))].into(),
    })
}

fn by_whatsapp(content: WhatsappContent) -> Outgoing {
    Outgoing::Whatsapp(OutgoingWhatsapp {
        id: id(),
        from: Some(from()),
        to: to(),
        content,
        report_to: None,
    })
}

//! A full run says nothing of anybody: messages by every provider, refused and lost ones, reports, replies, codes, clicks,
//! and requests that are turned away. No log line has a number, an address, a text or a secret of them.

use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use simulator::{Channel, Fault, Misbehaviour, Provider, Reply, Selector};

use crate::app::{Combination, TestApp, answer, on_every_combination};
use crate::attachments;
use crate::outside::{OURS, SECRETS, Sending};
use crate::webhooks::raw::Raw;
use crate::webhooks::sign;

/// The digits of Ana's number, however it is written.
const NUMBER: &str = "12025550143";
const MARIE: &str = "marie.curie@example.com";
/// In every text, name and address that anybody writes.
const SPOKEN: &str = "poltergeist";
const ANYBODY: &str = "rl_key_of_anybody_at_all";

/// What nobody may read in a log: what it is, and the text.
type Secret = (&'static str, String);

fn text(number: usize) -> String {
    format!("The {SPOKEN} of {{{{ who }}}} comes at {number}")
}

/// A message by this channel, with something personal wherever that is possible.
fn message(channel: &str, number: usize) -> Value {
    let mut message = json!({ "channel": channel, "to": format!("+{NUMBER}"), "content": { "text": text(number) },
        "variables": { "who": "Poltergeist-Müller" }, "person_id": format!("{SPOKEN}-7") });
    if channel == "email" {
        message["to"] = json!(MARIE);
        message["content"] = json!({ "subject": text(number),
            "html": format!("<p>{} <a href=\"https://clinic.example.com/{SPOKEN}?token=sesame\">x</a></p>", text(number)) });
        message["attachments"] =
            json!([{ "url": "https://files.example.com/cat.png", "name": format!("{SPOKEN}.png") }]);
    }
    message
}

impl Sending {
    /// Sends a message by each provider, and a second one that goes wrong in each way first.
    ///
    /// Where the answer is lost the message was taken, so that it is found at once. One that was not taken is waited for as long
    /// as the provider needs to show what it has, which is minutes.
    async fn send_by_everybody(&self) {
        let busy = Misbehaviour::TooManyRequests { retry_after_seconds: 1 };
        let lost = [
            Misbehaviour::LostAnswer,
            Misbehaviour::Garbage,
            Misbehaviour::ServerError {
                status: 503,
                executed: true,
            },
        ];
        let mut sent = 0;
        for (name, played, channel) in [
            ("twilio", Provider::Twilio, "sms"),
            ("twilio", Provider::Twilio, "whatsapp"),
            ("green_api", Provider::GreenApi, "whatsapp"),
            ("sendgrid", Provider::SendGrid, "email"),
            ("resend", Provider::Resend, "email"),
            ("smtp", Provider::Smtp, "email"),
        ] {
            self.route(channel, &[&self.good_named(name, &format!("{name} for {channel}"))]);
            self.send_well(&message(channel, sent)).await;
            sent += 1;
            // What may have gone would wait for a person at the others.
            let can_tell = !matches!(played, Provider::SendGrid | Provider::Smtp);
            let troubles = if can_tell { &lost[..] } else { &[] };
            for trouble in troubles.iter().chain([&busy]) {
                let fault = Fault::from(trouble.clone()).times(1);
                self.simulator
                    .set_fault(fault.with(Selector::provider(played)))
                    .unwrap();
                self.send_well(&message(channel, sent)).await;
                sent += 1;
            }
        }
    }

    /// On a busy machine, too, where the store may be late.
    async fn send_once(&self, body: &Value) -> String {
        let key = uuid::Uuid::new_v4().to_string();
        let accepted = self.ask_until_told(&key, body).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
        accepted.body["id"].as_str().unwrap().to_owned()
    }

    async fn send_well(&self, body: &Value) {
        let id = self.send_once(body).await;
        let gone = ["accepted", "sending", "sent", "delivered", "opened", "clicked", "read"];
        self.wait_for_status(&id, &gone).await;
    }

    /// Messages that every provider refuses, for the recipient's sake.
    async fn be_refused(&self) {
        for (played, channel, status, code) in [
            (Provider::Twilio, "sms", 400, "21211"),
            (Provider::GreenApi, "whatsapp", 466, "quota"),
            (Provider::Smtp, "email", 550, "5.1.1"),
        ] {
            let provider = played.as_str();
            self.route(
                channel,
                &[&self.good_named(provider, &format!("{provider} that refuses"))],
            );
            let code = code.into();
            let fault = Fault::from(Misbehaviour::Refuse { status, code }).times(1);
            self.simulator
                .set_fault(fault.with(Selector::provider(played)))
                .unwrap();
            let mut refused = message(channel, 99);
            refused["class"] = json!("critical");
            self.send_once(&refused).await;
        }
        self.settle().await;
    }

    /// People write, and press buttons.
    fn write_back(&self) {
        for (provider, channel, from) in [
            (Provider::Twilio, Channel::Sms, NUMBER),
            (Provider::Twilio, Channel::Whatsapp, NUMBER),
            (Provider::GreenApi, Channel::Whatsapp, NUMBER),
        ] {
            let text = format!("Is this {SPOKEN} at {MARIE}?");
            let mut reply = Reply::new(provider, channel, &format!("+{from}"), &text);
            reply.name = Some(format!("Marie {SPOKEN}"));
            // That no URL takes what comes in by this way is as good.
            let _ = self.simulator.reply(&reply);
            let _ = self.simulator.reply(&reply.pressing(SPOKEN, "Poltergeist"));
        }
    }

    /// Follows every link of the only mail in this mailbox. Answers the tokens in them, good ones and bad ones.
    async fn follow_links(&self) -> Vec<String> {
        let mail = self.only_mail("tracked@example.com").await;
        let mail = mail_parser::MessageParser::default()
            .parse(&mail)
            .unwrap()
            .body_html(0)
            .unwrap()
            .into_owned();
        // Where a link leads, nobody is.
        let browser = reqwest::Client::builder().no_proxy().redirect(Policy::none());
        let browser = browser.build().unwrap();
        let mut tokens = Vec::new();
        for path in ["/t/o/", "/t/c/"] {
            let (_, after) = mail.split_once(path).unwrap();
            let token = after.split('"').next().unwrap().to_owned();
            let bad = format!("{token}x");
            for (token, expected) in [(&token, true), (&bad, false)] {
                let url = format!("http://{}{path}{token}", self.app.address());
                let followed = browser.get(url).send().await.unwrap();
                assert_ne!(followed.status() == StatusCode::NOT_FOUND, expected, "{path}");
            }
            tokens.extend([token, bad]);
        }
        tokens
    }

    /// Requests that are turned away, with something to keep to oneself in each. Answers what they showed.
    async fn turn_away(&self) -> Vec<Secret> {
        let post = async |path: &str, body: Value| self.post(path, Some(SPOKEN), &body).await.status;
        let mut bad = message("sms", 1);
        bad["to"] = json!(format!("+{NUMBER}{NUMBER}"));
        assert_eq!(post("/v1/messages", bad).await, StatusCode::UNPROCESSABLE_ENTITY);
        let mut unnamed = message("sms", 1);
        unnamed["variables"] = json!({ "whom": SPOKEN });
        assert_eq!(post("/v1/messages", unnamed).await, StatusCode::UNPROCESSABLE_ENTITY);
        let unknown = json!({ SPOKEN: MARIE });
        assert_eq!(post("/v1/messages", unknown).await, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            post("/v1/otp", json!({ "to": MARIE })).await,
            StatusCode::UNPROCESSABLE_ENTITY
        );
        let path = format!("/v1/messages?external_id={MARIE}&provider={SPOKEN}");
        assert_eq!(self.app.get_as(ANYBODY, &path).await.status, StatusCode::UNAUTHORIZED);
        let odd = self
            .app
            .ask_with(Method::POST, "/v1/messages")
            .bearer_auth(&self.app.api_key);
        let odd = answer(
            odd.header("Content-Type", "application/json")
                .body(format!("{{\"{MARIE}")),
        )
        .await;
        assert!(odd.status.is_client_error(), "{odd:?}");
        let mut shown = vec![("anybody's key", ANYBODY.to_owned())];
        for (provider, secret) in WRONG {
            let target = format!("/webhooks/{provider}/{}", endpoint_of(&self.app, provider));
            let request = signed_wrongly(provider, &target, secret, &self.app);
            assert_eq!(
                request.send(self.app.address()).await.status,
                StatusCode::FORBIDDEN,
                "{provider}"
            );
            let values = request.headers.iter().filter(|(name, _)| name != "Content-Type");
            shown.extend(
                values
                    .filter(|(_, value)| value.len() > 16)
                    .map(|(_, value)| (provider, value.clone())),
            );
        }
        shown
    }
}

/// Who posts, and a secret that is not theirs.
const WRONG: [(&str, &str); 5] = [
    ("sendgrid", ""),
    ("resend", "whsec_YW5vdGhlci1pbnZlbnRlZC1zZWNyZXQ="),
    ("twilio", "another-invented-token"),
    ("green_api", "another-invented-webhook-token"),
    ("vapi", "another-invented-vapi-secret"),
];

/// The tenant's endpoint of this provider; one is made where there is none.
fn endpoint_of(app: &TestApp, provider: &str) -> String {
    let all = app.relais(&["endpoint", "list", "--tenant", &app.tenant]);
    let known = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["provider"] == provider);
    let made = || app.relais(&["endpoint", "create", "--tenant", &app.tenant, "--provider", provider]);
    let endpoint = known.cloned().unwrap_or_else(made);
    endpoint["id"].as_str().unwrap().to_owned()
}

fn signed_wrongly(provider: &str, target: &str, secret: &str, app: &TestApp) -> Raw {
    let body = json!([{ "email": MARIE, "text": SPOKEN }]).to_string();
    match provider {
        "sendgrid" => sign::SendGrid::new().post(target, &body),
        "resend" => sign::standard("svix", target, secret, "msg_1", &body),
        "twilio" => {
            let form = format!("From=%2B{NUMBER}&To=%2B{}&Body={SPOKEN}", OURS.trim_start_matches('+'));
            sign::twilio(target, &format!("{}{target}", app.public_url()), secret, &form)
        }
        "green_api" => sign::shown(target, "Authorization", &format!("Bearer {secret}"), &body),
        "vapi" => sign::shown(target, "X-Vapi-Secret", secret, &body),
        other => panic!("{other} posts nothing"),
    }
}

/// Asserts that no line of any process has any of it.
fn assert_discreet(outputs: &[(&str, String)], secrets: &[Secret]) {
    for (process, output) in outputs {
        for line in output.lines() {
            // Capitals make no difference to who reads.
            let read = line.to_lowercase();
            for (what, secret) in secrets {
                assert!(!read.contains(&secret.to_lowercase()), "{process} says {what}: {line}");
            }
        }
    }
}

on_every_combination!(a_full_run_says_nothing_of_anybody);

async fn a_full_run_says_nothing_of_anybody(combination: Combination) {
    let sending = Sending::heard_with_files(combination, Some(&attachments::files().await)).await;
    let clock = sending.app.start_clock();
    sending.send_by_everybody().await;
    sending.open_mailbox("tracked@example.com");
    let mut tracked = message("email", 1);
    tracked["to"] = json!("tracked@example.com");
    sending.send_well(&tracked).await;
    let tokens = sending.follow_links().await;
    sending.write_back();
    let code = sending
        .post("/v1/otp", None, &json!({ "to": format!("+{NUMBER}") }))
        .await;
    assert_eq!(code.status, StatusCode::ACCEPTED, "{code:?}");
    let shown = sending.turn_away().await;
    sending.settle().await;
    sending.be_refused().await;
    sending.app.leaves(&["dead", "scheduled"]);

    let mut secrets = vec![
        ("a number", NUMBER.to_owned()),
        ("a number without its country", NUMBER[1..].to_owned()),
        ("our number", OURS[1..].to_owned()),
        ("an address", MARIE.to_owned()),
        ("a part of an address", "marie.curie".to_owned()),
        ("another address", "tracked@".to_owned()),
        ("a part of a text", SPOKEN.to_owned()),
        ("what a link gives away", "sesame".to_owned()),
        ("a file's address", "cat.png".to_owned()),
        ("the API key", sending.app.api_key.clone()),
        ("an endpoint's secret", sending.app.secret.clone()),
    ];
    secrets.extend(SECRETS.map(|secret| ("a secret of an account", secret.to_owned())));
    secrets.extend(
        WRONG
            .into_iter()
            .skip(1)
            .map(|(_, secret)| ("a wrong secret", secret.to_owned())),
    );
    secrets.extend(tokens.into_iter().map(|token| ("a token of a link", token)));
    secrets.extend(shown);
    let outputs = [
        ("web", sending.app.web().output()),
        ("worker", sending.app.worker(0).output()),
        ("clock", clock.output()),
    ];
    for (process, sentence) in [
        ("web", "Webhook refused."),
        ("worker", "The provider took the message."),
        ("worker", "The provider did not take the message."),
    ] {
        let said = outputs
            .iter()
            .any(|(other, output)| *other == process && output.contains(sentence));
        assert!(said, "{process} never said: {sentence}");
    }
    assert_discreet(&outputs, &secrets);
}

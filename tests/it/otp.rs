//! One-time codes: sent once, right once, nowhere written.

use std::collections::HashMap;

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::{Effect, Fault, Ledger, Misbehaviour, Provider, Selector};

use crate::app::{Combination, Found, on_every_combination};
use crate::outside::{ANA, Sending, only};

/// The six digits in what somebody got.
fn code_in(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).take(6).collect();
    assert_eq!(digits.len(), 6, "{text}");
    digits
}

async fn asked(sending: &Sending, key: Option<&str>) -> Value {
    let asked = sending
        .post("/v1/otp", key, &json!({ "to": ANA, "language": "fr" }))
        .await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    asked.body
}

async fn tried(sending: &Sending, id: &Value, code: &str) -> Value {
    let path = format!("/v1/otp/{}/verify", id.as_str().unwrap());
    let tried = sending.post(&path, None, &json!({ "code": code })).await;
    assert_eq!(tried.status, StatusCode::OK, "{tried:?}");
    tried.body
}

fn another(code: &str) -> String {
    let last = if code.ends_with('0') { "1" } else { "0" };
    format!("{}{last}", &code[..5])
}

on_every_combination!(a_code_is_right_once_even_for_two_who_try_at_once);

async fn a_code_is_right_once_even_for_two_who_try_at_once(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let first = asked(&sending, Some("login-1")).await;
    assert_eq!(asked(&sending, Some("login-1")).await["id"], first["id"]);
    let effect = only(&sending.wait_for_effects(1).await);
    let message = sending.message(first["message_id"].as_str().unwrap()).await;
    assert_eq!(message["external_id"], effect.external_id.as_str());
    assert!(
        effect.text.expose().starts_with("Votre code"),
        "in the language that was asked for"
    );
    let code = code_in(effect.text.expose());

    let wrong = tried(&sending, &first["id"], &another(&code)).await;
    assert_eq!(wrong, json!({ "verified": false, "reason": "wrong", "tries_left": 4 }));
    let both = tokio::join!(
        tried(&sending, &first["id"], &code),
        tried(&sending, &first["id"], &code)
    );
    let right = [both.0, both.1]
        .iter()
        .filter(|judged| judged["verified"] == json!(true))
        .count();
    assert_eq!(right, 1);
    assert_eq!(tried(&sending, &first["id"], &code).await["reason"], "used");
}

on_every_combination!(a_code_that_has_expired_is_not_sent);

/// As it is when a dead letter is retried, which gives its job its time again.
async fn a_code_that_has_expired_is_not_sent(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    sending.app.relais(&["queues", "pause", "urgent"]);
    let first = asked(&sending, None).await;
    let past = "UPDATE otp_challenges SET expires_at = created_at + 1";
    sending.app.execute(past).await;
    sending.app.relais(&["queues", "resume", "urgent"]);
    let message = first["message_id"].as_str().unwrap();
    sending.wait_for_status(message, &["failed"]).await;
    assert_eq!(sending.message(message).await["error_code"], "code_expired");
    sending.settle().await;
    assert_eq!(sending.simulator.ledger().effects().len(), 0);
}

on_every_combination!(five_wrong_codes_lock_a_challenge);

async fn five_wrong_codes_lock_a_challenge(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let id = asked(&sending, None).await["id"].clone();
    let code = code_in(only(&sending.wait_for_effects(1).await).text.expose());
    for left in [4, 3, 2, 1, 0] {
        assert_eq!(tried(&sending, &id, &another(&code)).await["tries_left"], left);
    }
    assert_eq!(tried(&sending, &id, &code).await["reason"], "locked");
}

on_every_combination!(too_many_codes_to_one_number_are_refused_with_the_time_to_wait);

async fn too_many_codes_to_one_number_are_refused_with_the_time_to_wait(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    for _ in 0..5 {
        asked(&sending, None).await;
    }
    let refused = sending.post("/v1/otp", None, &json!({ "to": ANA })).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=601).contains(&wait), "{wait}");
    assert_eq!(sending.wait_for_effects(5).await.effects().len(), 5);
}

/// The one message that this recipient got.
fn only_to<'a>(ledger: &'a Ledger, to: &str) -> &'a Effect {
    let all: Vec<_> = ledger.effects_to(to).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]
}

/// So many codes go each way. By chance the digits of one stand somewhere, in the parts of a second or in an id; those of
/// all that went one way stand together nowhere but where what goes that way is written.
const EACH: usize = 4;

/// Codes that go one way, and where to.
struct Way {
    name: &'static str,
    channel: &'static str,
    to: [String; EACH],
}

impl Way {
    fn by_number(name: &'static str, channel: &'static str, first: usize) -> Self {
        let to = std::array::from_fn(|place| format!("+1202555{:04}", first + place));
        Self { name, channel, to }
    }

    fn all() -> [Self; 4] {
        let mail = Self {
            name: "mailed",
            channel: "email",
            to: std::array::from_fn(|place| format!("ana{place}@example.com")),
        };
        [
            Self::by_number("texted", "sms", 100),
            Self::by_number("sent by WhatsApp", "whatsapp", 110),
            mail,
            Self::by_number("refused first", "sms", 120),
        ]
    }
}

fn stands_in(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|found| found == word.as_bytes())
}

/// Asserts that the search finds what lies in the store and in the queue as text.
fn assert_seen(everything: &[Found]) {
    let kept = |place: &str| !place.ends_with("log") && place != "payloads and errors" && !place.ends_with("file");
    for word in ["Acme", "send_otp"] {
        let is_seen = everything
            .iter()
            .any(|(place, bytes)| kept(place) && stands_in(bytes, word));
        assert!(is_seen, "{word}");
    }
}

/// Asserts that no place holds the codes of a way.
fn assert_nowhere(everything: &[Found], ways: &[(&'static str, Vec<String>)]) {
    for (place, bytes) in everything {
        for (way, codes) in ways {
            let all = codes.iter().all(|code| stands_in(bytes, code));
            assert!(!all, "codes that were {way} stand in {place}");
        }
    }
}

on_every_combination!(a_code_is_in_no_row_no_payload_and_no_log);

async fn a_code_is_in_no_row_no_payload_and_no_log(combination: Combination) {
    let sending = Sending::heard(combination).await;
    for (channel, provider) in [("whatsapp", "green_api"), ("email", "smtp")] {
        sending.route(channel, &[&sending.good(provider)]);
    }
    let refused = Misbehaviour::Refuse {
        status: 400,
        code: "21606".into(),
    };
    let fault = Fault::from(refused).with(Selector::provider(Provider::Twilio).to("+1202555012*"));
    sending.simulator.set_fault(fault).unwrap();

    // Waiting, with one payload each.
    sending.app.relais(&["queues", "pause", "urgent"]);
    let mut ids = HashMap::new();
    for way in &Way::all() {
        for to in &way.to {
            let body = json!({ "to": to, "channel": way.channel, "language": "fr" });
            let asked = sending.post("/v1/otp", None, &body).await;
            assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
            ids.insert(to.clone(), asked.body["id"].clone());
        }
    }
    let mut everything = sending.app.everything().await;
    let waiting = everything.iter().find(|(place, _)| place == "payloads and errors");
    let waiting = String::from_utf8_lossy(&waiting.unwrap().1);
    assert_eq!(
        waiting.matches("challenge").count(),
        4 * EACH,
        "every payload was opened"
    );
    assert_seen(&everything);

    // Sent; or refused, dead, and sent by hand.
    sending.app.relais(&["queues", "resume", "urgent"]);
    sending.wait_for_effects(3 * EACH).await;
    let have_died = async || sending.app.queues().dead == EACH as u64;
    sending.app.wait_until("the others have died", have_died).await;
    everything.extend(sending.app.everything().await);
    sending.simulator.clear_faults();
    let dead = sending.app.relais(&["dead", "list"])["items"].clone();
    let dead = dead.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap());
    let retry: Vec<_> = ["dead", "retry"].into_iter().chain(dead).collect();
    sending.app.relais(&retry);
    let ledger = sending.wait_for_effects(4 * EACH).await;

    // Heard of, guessed wrong, and used.
    let mut ways = Vec::new();
    for way in &Way::all() {
        let mut codes = Vec::new();
        for to in &way.to {
            let code = code_in(only_to(&ledger, to).text.expose());
            let wrong = tried(&sending, &ids[to], &another(&code)).await;
            assert_eq!(wrong["reason"], "wrong");
            let right = tried(&sending, &ids[to], &code).await;
            assert_eq!(right["verified"], true);
            codes.push(code);
        }
        ways.push((way.name, codes));
    }
    sending.settle().await;
    everything.extend(sending.app.everything().await);
    assert_nowhere(&everything, &ways);
}

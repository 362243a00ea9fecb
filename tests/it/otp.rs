//! One-time codes: sent once, right once, nowhere written.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::app::{Combination, on_every_combination};
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

on_every_combination!(a_code_is_in_no_payload_and_no_log);

async fn a_code_is_in_no_payload_and_no_log(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let refused = simulator::Misbehaviour::Refuse {
        status: 400,
        code: "21606".into(),
    };
    let fault = simulator::Fault::from(refused).times(1);
    sending.simulator.set_fault(fault).unwrap();
    asked(&sending, None).await;
    sending
        .app
        .wait_until("it died", async || sending.app.queues().dead == 1)
        .await;
    let dead = sending.app.relais(&["dead", "list"]);
    let dead = dead["items"][0]["id"].as_str().unwrap();
    let shown = sending.app.relais(&["dead", "show", dead, "--reveal"]).to_string();
    sending.app.relais(&["dead", "retry", dead]);
    let code = code_in(only(&sending.wait_for_effects(1).await).text.expose());
    assert!(!shown.contains(&code), "the payload has the code");
    for program in [sending.app.web(), sending.app.worker(0)] {
        assert!(!program.output().contains(&code), "a log line has the code");
        assert!(!program.output().contains(ANA), "a log line has the number");
    }
}

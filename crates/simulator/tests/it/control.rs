//! The same commands by HTTP.

use serde_json::{Value, json};
use simulator::Simulator;

use crate::support::{ANA, AUTH_TOKEN, Ear, LIMIT, SID, answer, client, sms_to_ana, start, twilio};

async fn command(simulator: &Simulator, name: &str, body: Value) -> (u16, Value) {
    answer(client().post(format!("{}/_sim/{name}", simulator.url())).json(&body)).await
}

async fn ledger(simulator: &Simulator, query: &str) -> Value {
    let (status, all) = answer(client().get(format!("{}/_sim/ledger{query}", simulator.url()))).await;
    assert_eq!(status, 200);
    all
}

#[tokio::test]
async fn all_that_happened_is_shown_and_chosen_from() {
    let simulator = twilio().await;
    let ear = Ear::start().await;
    let (_, message) = answer(sms_to_ana(&simulator, &ear.url)).await;
    simulator.settled(LIMIT).await.unwrap();
    let all = ledger(&simulator, "").await;
    assert_eq!(all["effects"][0]["to"], ANA);
    assert_eq!(all["told"][0]["answer"], json!({ "status": 204 }));
    assert_eq!(all["loads"][0]["account"], SID);
    assert_eq!(all["pending"], 0);
    let by_id = format!("?external_id={}&provider=twilio", message["sid"].as_str().unwrap());
    assert_eq!(ledger(&simulator, &by_id).await["told"].as_array().unwrap().len(), 2);
    for nothing in [
        "?provider=resend",
        "?recipient=x",
        "?external_id=x",
        "?after=1000",
        "?reference=x",
    ] {
        assert_eq!(ledger(&simulator, nothing).await["effects"], json!([]), "{nothing}");
    }
}

#[tokio::test]
async fn accounts_scripts_faults_and_replies_come_by_http_too() {
    let simulator = start(vec![]).await;
    let mut ear = Ear::start().await;
    let account = json!({ "provider": "twilio", "sid": SID, "auth_token": AUTH_TOKEN, "sms_url": ear.url });
    assert_eq!(command(&simulator, "accounts", account).await.0, 204);
    let script = json!({ "for": { "recipient": ANA }, "script": { "steps": [{ "status": "sent" }] } });
    assert_eq!(command(&simulator, "script", script).await.0, 204);
    let fault = json!({ "does": { "kind": "server_error", "status": 500 }, "times": 1 });
    assert_eq!(command(&simulator, "fault", fault).await.0, 204);
    assert_eq!(answer(sms_to_ana(&simulator, &ear.url)).await.0, 500);
    assert_eq!(answer(sms_to_ana(&simulator, &ear.url)).await.0, 201);
    assert_eq!(ear.next().await.pair("MessageStatus").as_deref(), Some("sent"));
    let reply = json!({ "provider": "twilio", "channel": "sms", "from": ANA, "text": "Yes" });
    let (status, body) = command(&simulator, "reply", reply).await;
    assert_eq!(status, 202);
    assert_eq!(
        ear.next().await.pair("MessageSid"),
        body["external_id"].as_str().map(str::to_owned)
    );
    simulator.settled(LIMIT).await.unwrap();
    assert_eq!(command(&simulator, "renumber", Value::Null).await.0, 204);
    assert_eq!(command(&simulator, "reset", Value::Null).await.0, 204);
    assert_eq!(ledger(&simulator, "").await["effects"], json!([]));
}

#[tokio::test]
async fn what_is_no_command_is_refused_with_the_reason() {
    let simulator = twilio().await;
    let cases = [
        ("fault", json!({ "does": { "kind": "explode" } }), 400),
        ("fault", json!({ "does": { "kind": "silent" }, "rate": 2 }), 422),
        ("script", json!({ "script": { "drops": -1 } }), 422),
        ("script", json!({ "for": { "to": "x" }, "script": {} }), 400),
        (
            "accounts",
            json!({ "provider": "twilio", "sid": "", "auth_token": "x" }),
            422,
        ),
        (
            "reply",
            json!({ "provider": "twilio", "channel": "sms", "from": "+1", "text": "x" }),
            422,
        ),
        (
            "reply",
            json!({ "provider": "twilio", "channel": "email", "from": "+1", "to": "x", "account": "x", "text": "x" }),
            422,
        ),
        ("explode", json!({}), 404),
    ];
    for (name, body, expected) in cases {
        let (status, answer) = command(&simulator, name, body.clone()).await;
        assert_eq!(status, expected, "{name} {body}");
        assert!(answer["error"].is_string());
    }
}

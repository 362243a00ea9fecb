//! A dead letter tells what its provider said, and nothing that the provider repeated of the message.

use axum::Router;
use axum::http::{StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::app::{Combination, on_every_combination};
use crate::outside::{ANA, Sending, TOKEN, sms};

const TEXT: &str = "Rendez-vous à 14h30 chez Docteur Alpaga, code 471193";
/// Parts of the message that stand nowhere in clear.
const PERSONAL: [&str; 8] = [
    "2025550143",
    "202-555-0143",
    "Rendez",
    "14h30",
    "Docteur",
    "Alpaga",
    "471193",
    TOKEN,
];

/// A stand-in for Twilio that refuses every message, and repeats number, text and token in its answer, each in several
/// forms (documentation, "Error 21608": the number is unverified). Answers its base URL.
async fn refusing() -> String {
    let message = format!(
        "The number {ANA} is unverified, as is +1 202-555-0143. Body was: {TEXT} (token {TOKEN}). See docs/errors/21608"
    );
    let body =
        json!({ "code": 21608, "message": message, "status": 400, "sent": { "To": ANA, "Body": TEXT } }).to_string();
    let answer = move || async move {
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (
                header::HeaderName::from_static("twilio-request-id"),
                "RQ00000000000000000000000000000021",
            ),
        ];
        (StatusCode::BAD_REQUEST, headers, body)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    base
}

fn check_shows_nothing_personal(place: &str, text: &str) {
    for part in PERSONAL {
        assert!(!text.contains(part), "{place} has {part}: {text}");
    }
}

on_every_combination!(what_a_provider_says_is_kept_without_what_it_repeats);

async fn what_a_provider_says_is_kept_without_what_it_repeats(combination: Combination) {
    let stand_ins = json!({ "twilio": refusing().await }).to_string();
    let sending = Sending::with(combination, |setup| {
        setup.with("RELAIS_STAND_INS", stand_ins).with("RUST_LOG", "debug")
    })
    .await;
    sending.route("sms", &[&sending.good("twilio")]);
    let app = &sending.app;
    app.leaves(&["dead"]);
    sending.send(None, &sms(TEXT)).await;
    app.wait_until("it is dead", async || app.queues().dead == 1).await;

    let id = app.relais(&["dead", "list"])["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let shown = app.relais(&["dead", "show", &id]);
    let failure = &shown["errors"][0];
    assert_eq!(
        (&failure["attempt"], &failure["error"]),
        (&json!(1), &json!("no account could take it (21608)"))
    );
    let fields = failure["request"].as_str().unwrap();
    assert!(
        fields.starts_with("POST /2010-04-01/Accounts/{account}/Messages.json (") && fields.contains("Body"),
        "{fields}"
    );
    let response = failure["response"].as_str().unwrap();
    for told in [
        "400 Bad Request",
        "twilio-request-id: RQ0",
        "21608",
        "is unverified",
        "docs/errors/21608",
    ] {
        assert!(response.contains(told), "{told}: {response}");
    }
    assert!(
        app.relais_words(&["dead", "show", &id])
            .contains("and was answered\n    400 Bad Request")
    );

    check_shows_nothing_personal("the letter", &shown.to_string());
    check_shows_nothing_personal("an export", &app.relais_words(&["dead", "export"]));
    for output in [app.web().output(), app.worker(0).output()] {
        check_shows_nothing_personal("the log", &output);
    }
    if let Some(path) = app.sqlite_path() {
        for file in [path.to_owned(), format!("{path}-wal")] {
            let bytes = std::fs::read(&file).unwrap_or_default();
            check_shows_nothing_personal(&file, &String::from_utf8_lossy(&bytes));
        }
    }

    let exported: Value = serde_json::from_str(&app.relais_words(&["dead", "export"])).unwrap();
    assert_eq!(exported["errors"], shown["errors"]);
}

//! Requests to a whole installation, by a tenant and by nobody. Input: a line `METHOD /path?query`, lines `name: value`,
//! an empty line, and the body; `{message}`, `{interaction}`, `{twilio}` … in the path stand for ids of what there is.

#![no_main]

use std::sync::LazyLock;

use http::header::{AUTHORIZATION, HeaderName};
use http::{Method, StatusCode};
use libfuzzer_sys::fuzz_target;
use queue::Clock;
use relais_fuzz::{Answer, Asked, SECRET, World, names_in, odd_texts, only_odd, shows_none};
use ring::digest::{SHA256, digest};
use serde_json::Value;
use url::form_urlencoded::{self, Serializer};

static WORLD: LazyLock<World> = LazyLock::new(|| World::new(Clock::System));
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Where nobody gets in who has only an API key, a link that nobody signed, or a body that nobody signed.
const CLOSED: [&str; 4] = ["/webhooks/", "/t/", "/v1/sign-in/redeem", "/v1/session"];

fuzz_target!(|data: &[u8]| {
    // Whoever guesses the secret of an endpoint is not the one that this looks for.
    if data.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()) {
        return;
    }
    let Some(mut asked) = WORLD.read(data) else { return };
    let path = asked.uri.path().to_owned();

    // With whatever credentials the input has made up, if any: nobody gets in by them.
    let answer = WORLD.ask(&asked);
    answer.check(&asked);
    if path.starts_with("/v1/") && path != "/v1/sign-in" {
        assert!(!is_taken(&answer), "{path} lets anybody in: {}", answer.status);
    }

    if is_send(&asked) && !asked.headers.contains_key(IDEMPOTENCY_KEY) {
        let key = hex::encode(digest(&SHA256, &asked.body));
        asked.headers.insert(IDEMPOTENCY_KEY, key.parse().expect("a header"));
    }
    asked.headers.remove(AUTHORIZATION);
    let asked = WORLD.authorized(asked);
    let answer = WORLD.ask(&asked);
    answer.check(&asked);
    if CLOSED.iter().any(|closed| path.starts_with(closed)) {
        assert!(!is_taken(&answer), "{path} was taken: {}", answer.status);
    }
    repeats_nothing(&asked, &answer);
    if is_send(&asked) && answer.status == StatusCode::ACCEPTED {
        sends_once(&asked, &answer);
    }
    if asked.method == Method::GET && answer.status == StatusCode::OK {
        goes_on(&asked, &answer);
    }
});

fn is_taken(answer: &Answer) -> bool {
    answer.status.is_success() || answer.status.is_redirection()
}

fn is_send(asked: &Asked) -> bool {
    asked.method == Method::POST && asked.uri.path() == "/v1/messages"
}

/// A refusal, also that of one message of many, tells what is wrong with which field and not what stands in it.
fn repeats_nothing(asked: &Asked, answer: &Answer) {
    if !answer.status.is_client_error() && answer.status != StatusCode::ACCEPTED {
        return;
    }
    let parameters = form_urlencoded::parse(asked.uri.query().unwrap_or_default().as_bytes());
    let (mut names, values): (Vec<String>, Vec<String>) = parameters.into_owned().unzip();
    names.extend(names_in(&asked.body));
    names.push(asked.uri.to_string());
    let mut odd = odd_texts(&asked.body);
    odd.extend(only_odd(values));
    odd.retain(|text| !names.iter().any(|name| name.contains(text.as_str())));
    shows_none(&answer.text(), &odd);
}

/// The same request again is answered with the same messages, and sends none of them once more.
fn sends_once(asked: &Asked, answer: &Answer) {
    let again = WORLD.ask(asked);
    assert_eq!(again.status, StatusCode::ACCEPTED, "not taken again: {}", again.text());
    let (first, again) = (answer.json(), again.json());
    let items = |sent: &Value| sent["items"].as_array().cloned().unwrap_or_else(|| vec![sent.clone()]);
    let (first, again) = (items(&first), items(&again));
    assert_eq!(first.len(), again.len());
    for (one, other) in first.iter().zip(&again) {
        if one["id"].is_string() {
            assert_eq!((&one["id"], &one["job"]), (&other["id"], &other["job"]), "sent twice");
            assert_eq!(other["duplicate"], true, "sent twice: {other}");
        }
    }
}

/// A list goes on where its cursor says, with other rows.
fn goes_on(asked: &Asked, answer: &Answer) {
    let page = answer.json();
    let (Some(cursor), Some(rows)) = (page["next_cursor"].as_str(), page["items"].as_array()) else {
        return;
    };
    let query = asked.uri.query().unwrap_or_default();
    let others = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "cursor");
    let query = Serializer::new(String::new())
        .extend_pairs(others)
        .append_pair("cursor", cursor)
        .finish();
    let uri = format!("{}?{query}", asked.uri.path()).parse().expect("a path");
    let next = WORLD.ask(&Asked { uri, ..asked.clone() });
    assert_eq!(
        next.status,
        StatusCode::OK,
        "a list refuses its own cursor: {}",
        next.text()
    );
    for row in next.json()["items"].as_array().into_iter().flatten() {
        assert!(!rows.contains(row), "a row stands on two pages: {row}");
    }
}

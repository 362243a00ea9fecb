//! Templates by tenants, and what stands for their placeholders. Input: a line with the variables as JSON, then the
//! template.

#![no_main]

use std::sync::LazyLock;

use http::StatusCode;
use libfuzzer_sys::fuzz_target;
use queue::Clock;
use relais_fuzz::{Answer, Asked, World, first_line, names_in, odd_texts, shows_none};
use serde_json::{Map, Value, json};

static WORLD: LazyLock<World> = LazyLock::new(|| World::new(Clock::System));
/// What stands for every text: markup, unless it is escaped.
const MARKUP: &str = "<zq>\"'&";
/// What a page then has in it if it is not, in capitals or not.
const UNESCAPED: &str = "<zq";

fuzz_target!(|data: &[u8]| {
    let (line, template) = first_line(data);
    let variables: Map<String, Value> = serde_json::from_slice(line).unwrap_or_default();
    let Ok(template) = std::str::from_utf8(template) else {
        return;
    };

    let new = json!({ "name": "fuzz", "language": "en", "html": template });
    let (asked, made) = post("/v1/templates", &new);
    if made.status != StatusCode::CREATED {
        assert_eq!(made.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", made.text());
        shows_none(&made.text(), &odd_texts(&asked.body));
        return;
    }
    assert_eq!(made.json()["html"], template, "another template than was given");

    let shown = preview(&variables);
    if shown.status == StatusCode::OK {
        assert!(shown.json()["text"].is_string(), "a page without a text");
    } else {
        // It tells which variables it lacks.
        let (mut odd, names) = (odd_texts(line), names_in(line));
        odd.retain(|text| !template.contains(text.as_str()) && !names.iter().any(|name| name.contains(text.as_str())));
        shows_none(&shown.text(), &odd);
    }

    let all_markup = |(name, value)| (name, as_markup(value));
    let shown = preview(&variables.into_iter().map(all_markup).collect());
    if !template.to_ascii_lowercase().contains("zq") && shown.status == StatusCode::OK {
        let page = shown.json()["html"].as_str().unwrap_or_default().to_ascii_lowercase();
        assert!(!page.contains(UNESCAPED), "a value became markup: {page}");
    }
});

fn preview(variables: &Map<String, Value>) -> Answer {
    let asked = json!({ "language": "en", "variables": variables });
    let (_, answer) = post("/v1/templates/fuzz/preview", &asked);
    assert!(
        matches!(answer.status, StatusCode::OK | StatusCode::UNPROCESSABLE_ENTITY),
        "{}",
        answer.text()
    );
    answer
}

fn post(path: &str, body: &Value) -> (Asked, Answer) {
    let asked = WORLD.authorized(Asked::post(path, body.to_string().as_bytes()));
    let answer = WORLD.ask(&asked);
    answer.check(&asked);
    (asked, answer)
}

/// The same with markup for every text.
fn as_markup(value: Value) -> Value {
    match value {
        Value::String(_) => MARKUP.into(),
        Value::Array(list) => list.into_iter().map(as_markup).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, as_markup(value)))
            .collect(),
        other => other,
    }
}

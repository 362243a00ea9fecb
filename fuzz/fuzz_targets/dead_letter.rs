//! Lines of a file of dead letters, which operators bring in. Input: the line.

#![no_main]

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use libfuzzer_sys::fuzz_target;
use queue::envelope::Envelope;
use relais::cli::letter_of_line;
use relais_fuzz::{odd_texts, shows_none};
use seal::Keyring;

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| Keyring::parse(&Keyring::generate("k1")).expect("a keyring"));

fuzz_target!(|data: &[u8]| {
    let now: DateTime<Utc> = "2026-03-02T10:00:00Z".parse().expect("a time");
    let letter = match letter_of_line(data, &KEYRING, now) {
        Ok(letter) => letter,
        Err(error) => return shows_none(&format!("{error:#}"), &odd_texts(data)),
    };
    // What is kept is shown to operators, and goes when it is old.
    let times = 0..=(now + TimeDelta::days(1)).timestamp_millis();
    assert!(times.contains(&letter.died_at), "it is kept for ever");
    for error in &letter.errors {
        assert!(times.contains(&error.at), "an attempt of a time to come");
        assert!(!error.error.contains(char::is_control), "an error commands a terminal");
    }
    let Some(envelope) = Envelope::decode(&letter.job.body) else {
        return;
    };
    let is_part = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '_';
    assert!(envelope.kind.chars().all(is_part), "no kind: {:?}", envelope.kind);
    // What came in clear is sealed under the keys that are here.
    let line: serde_json::Value = serde_json::from_slice(data).expect("it was read as a letter");
    if line["sealed"].is_null() {
        let payload = envelope.open(letter.job.id, &KEYRING).expect("it was sealed here");
        let payload: serde_json::Value = serde_json::from_slice(&payload).expect("it was read from JSON");
        assert_eq!(payload, line["payload"], "another payload");
    }
});

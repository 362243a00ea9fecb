//! Settings. Input: lines `NAME=VALUE`.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use relais::config::{Settings, TABLE, Values};

/// Shorter ones are in other words by chance.
const BYTES_MIN: usize = 8;

/// Everything that a fault may say of its own.
static WORDS: LazyLock<String> = LazyLock::new(|| {
    let nothing = Settings::read(&Values::given(|_| None)).map_or_else(|faults| faults.to_string(), |_| String::new());
    let told = TABLE
        .iter()
        .map(|setting| format!("{} {} {}", setting.name, setting.hint, setting.meaning));
    told.chain([nothing]).collect()
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let given: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let values = Values::given(|name| given.get(name).map(|value| (*value).to_owned()));
    let (shown, secret) = match Settings::read(&values) {
        // Where things are is shown, but for the three that may hold a password or are one.
        Ok(settings) => (format!("{settings:?}"), &["DATABASE_URL", "REDIS_URL"][..]),
        Err(faults) => (
            format!("{faults} {faults:?}"),
            &["DATABASE_URL", "REDIS_URL", "RELAIS_KEYS", "PUBLIC_URL", "RUST_LOG"][..],
        ),
    };
    let others: String = given
        .iter()
        .filter(|(name, _)| !secret.contains(name))
        .map(|(_, value)| *value)
        .collect();
    for value in secret
        .iter()
        .filter_map(|name| given.get(name))
        .map(|value| value.trim())
    {
        if value.len() >= BYTES_MIN && !WORDS.contains(value) && !others.contains(value) {
            assert!(!shown.contains(value), "this shows {value:?}: {shown}");
        }
    }
});

//! Keyrings, and what is sealed under them. Input: a line with a keyring, then a sealed value.

#![no_main]

use libfuzzer_sys::fuzz_target;
use relais_fuzz::altered;
use seal::Keyring;

const CONTEXT: &[u8] = b"endpoint";

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (text, sealed) = data.split_at(end);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let keyring = match Keyring::parse(text) {
        Ok(keyring) => keyring,
        Err(error) => {
            for key in keys(text) {
                assert!(!format!("{error} {error:?}").contains(key), "an error shows a key");
            }
            return;
        }
    };
    let ids: Vec<&str> = keyring.ids().collect();
    assert_eq!(ids.first(), Some(&keyring.current()));
    for key in keys(text) {
        assert!(!format!("{keyring:?}").contains(key), "a keyring shows a key");
    }

    drop(keyring.open(CONTEXT, sealed.strip_prefix(b"\n").unwrap_or(sealed)));
    let value = keyring.seal(CONTEXT, sealed);
    assert_eq!(keyring.open(CONTEXT, &value).as_deref(), Ok(sealed));
    assert!(keyring.open(b"another", &value).is_err(), "opened elsewhere");
    assert!(
        keyring.open(CONTEXT, &altered(&value, data)).is_err(),
        "opened although it was altered"
    );
});

/// What stands behind the colons, unless it is so short that it is in other words by chance, or is words: those of the error
/// itself can be guessed.
fn keys(text: &str) -> impl Iterator<Item = &str> {
    let key = |entry| str::split_once(entry, ':').map(|(_, key)| key.trim());
    text.split(',')
        .filter_map(key)
        .filter(|key| key.len() >= 40 && !key.contains(' '))
}

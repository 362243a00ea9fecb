//! What operators name: actors, gates of pauses, keys, groups and selections of dead letters; and errors, by which
//! letters are grouped. Input: the text.

#![no_main]

use domain::Actor;
use jobs::bulk::Selection;
use libfuzzer_sys::fuzz_target;
use queue::flow::KEY_BYTES_MAX;
use queue::grouping::{GroupId, strip};
use queue::{Key, Scope};
use relais_fuzz::{odd_texts, same, shows_none};

/// Of an error no more than this tells it from others.
const STRIPPED_CHARS_MAX: usize = 200;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    same::<Actor>(text);
    same::<GroupId>(text);
    if let Ok(actor) = text.parse::<Actor>() {
        assert!(
            !actor.to_string().contains(char::is_control),
            "a name with a control character"
        );
    }
    if let Some(scope) = Scope::of_gate(text) {
        assert_eq!(
            Scope::of_gate(&scope.gate()),
            Some(scope),
            "another gate when it is read again"
        );
    }
    if let Some(key) = Key::new(text) {
        let name = key.as_str();
        assert!(
            (1..=KEY_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control),
            "no key: {name:?}"
        );
        assert_eq!(
            Key::new(name).as_ref(),
            Some(&key),
            "another key when it is named again"
        );
    }
    match Selection::read(text) {
        Ok(selection) => {
            let again = Selection::read(&selection.to_json().to_string()).expect("what was stored is read");
            assert_eq!(again, selection, "stored and read, it is another");
        }
        Err(error) => shows_none(&error.to_string(), &odd_texts(data)),
    }

    let stripped = strip(text);
    assert!(
        stripped.chars().count() <= STRIPPED_CHARS_MAX,
        "too long to be compared"
    );
    assert!(
        !stripped.contains(|sign: char| sign.is_ascii_digit()),
        "a number makes a group: {stripped}"
    );
    let sevens: String = text
        .chars()
        .map(|sign| if sign.is_ascii_digit() { '7' } else { sign })
        .collect();
    assert_eq!(strip(&sevens), stripped, "other numbers make another group");
});

//! What people answer. Input: their text.

#![no_main]

use domain::Intent;
use domain::replies::{intent, intent_of_button};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let meant = intent(&text);
    assert_eq!(meant.as_str().parse(), Ok(meant));
    assert_eq!(intent(&text.to_ascii_uppercase()), meant, "capitals change it");
    assert_eq!(
        intent(&format!("  {text}\n")),
        meant,
        "white space around it changes it"
    );
    for doubt in [" ?", " mais", " but", " pas"] {
        assert_eq!(
            intent(&format!("{text}{doubt}")),
            Intent::Unclear,
            "understood in spite of {doubt:?}"
        );
    }
    assert_eq!(intent_of_button(None, Some(&text)), meant);
    assert_eq!(intent_of_button(Some(&text), Some(&text)), meant);
    let (payload, label) = text.split_once('\n').unwrap_or((&text, ""));
    let _ = intent_of_button(Some(payload), Some(label));
});

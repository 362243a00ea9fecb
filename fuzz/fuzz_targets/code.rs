//! One-time codes as people type them. Input: their text.

#![no_main]

use domain::{ChallengeId, Code, CodeKey};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for code in [Code::read(&text).ok(), Code::find(&text)].into_iter().flatten() {
        assert!(
            code.expose().len() == 6 && code.expose().bytes().all(|byte| byte.is_ascii_digit()),
            "no code"
        );
        assert_eq!(code.expose().parse::<u32>().map(|number| number < 1_000_000), Ok(true));
        assert!(
            !format!("{code} {code:?}").contains(|char: char| char.is_ascii_digit()),
            "a code shows a digit"
        );
        assert!(
            Code::read(code.expose()).is_ok_and(|again| again == code),
            "a code that is not read again"
        );
    }
    if Code::find(&text).is_some() {
        for doubt in [" 7", "\u{664}", " €", " not", " pas"] {
            assert!(
                Code::find(&format!("{text}{doubt}")).is_none(),
                "found in spite of {doubt:?}"
            );
        }
    }
    if let Some(bytes) = data.first_chunk::<16>() {
        let key = CodeKey::new([9; 32]);
        let code = Code::derive(&key, ChallengeId(Uuid::from_bytes(*bytes)));
        assert!(
            Code::find(code.expose()).is_some_and(|found| found == code),
            "our own code is not found"
        );
        assert_eq!(format!("{key:?}"), "CodeKey(…)");
    }
});

//! The secret of an endpoint with what else it vouches by, as it lies sealed or was entered. Input: the text.

#![no_main]

use jobs::hooks::may_sign;
use libfuzzer_sys::fuzz_target;
use providers::standard_webhooks;
use relais::intake::poster::Poster;
use relais::intake::proof::Proof;
use relais_fuzz::{NOW, odd_texts, only_odd, shows_none};
use secrecy::{ExposeSecret as _, SecretString};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let stored = SecretString::from(text);
    if may_sign(&stored) {
        let signed = standard_webhooks::sign(&stored, "msg_1", NOW, b"{}");
        assert!(signed.is_ok(), "a secret that was taken signs nothing");
    }
    let proof = match Proof::read(&stored) {
        Ok(proof) => proof,
        Err(error) => return shows_none(&format!("{error} {error:?}"), &odd_texts(data)),
    };
    let secret = proof.secret.expose_secret();
    // What else is checked may be shown.
    let terms = format!("{:?}", proof.terms);
    let mut odd = only_odd(vec![secret.to_owned()]);
    odd.retain(|secret| !terms.contains(secret.as_str()));
    shows_none(&format!("{proof:?}"), &odd);
    for poster in Poster::ALL {
        match proof.verifiers(*poster) {
            Ok(verifiers) => shows_none(&format!("{verifiers:?}"), &odd),
            Err(error) => shows_none(&format!("{error} {error:?}"), &odd),
        }
        // What signs events about e-mails is never anything but a secret.
        if *poster != Poster::Email {
            let again = Proof::read(&proof.stored(*poster)).expect("what was stored is read");
            assert_eq!(again.terms, proof.terms, "stored and read, it is another");
            assert!(
                again.secret.expose_secret() == secret,
                "stored and read, it is another secret"
            );
        }
    }
});

//! Tokens: of followed links, of links that let somebody in, of sessions. Input: a text, which is also where a link leads.

#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use domain::{MessageId, TenantId, Token, TokenKey, TokenKind};
use jobs::sending::links::token_keys;
use jobs::sending::tracking::{Followed, Purpose, read};
use libfuzzer_sys::fuzz_target;
use relais_fuzz::altered;
use ring::digest::{SHA256, digest};
use ring::hmac;
use seal::Keyring;
use store::ApiKey;
use url::Url;
use uuid::Uuid;

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| Keyring::parse(&Keyring::generate("k1")).expect("a keyring"));
const KINDS: [TokenKind; 3] = [TokenKind::SignIn, TokenKind::Invitation, TokenKind::Session];
/// A longer one is not looked at.
const TOKEN_BYTES_MAX: usize = 4096;
/// The end of the year 9999.
const MILLIS: u64 = 253_402_300_800_000;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let keys = token_keys(&KEYRING);
    assert!(Token::read(&text, &keys).is_none(), "nobody signed this token");
    for purpose in [Purpose::Open, Purpose::Click] {
        assert!(read(&KEYRING, purpose, &text).is_none(), "nobody signed this link");
    }
    assert!(!ApiKey::looks_like_one(&text) || (text.starts_with("rk_") && text.len() == 67));

    // Ids and times that follow from the input.
    let dice = digest(&SHA256, data);
    let (one, other) = dice.as_ref().split_at(16);
    let number = |bytes: &[u8]| Uuid::from_slice(bytes).expect("16 bytes");
    follow(TenantId(number(one)), MessageId(number(other)), &text);
    let (generation, millis) = number(one).as_u64_pair();
    for kind in KINDS {
        let token = Token {
            kind,
            tenant: TenantId(number(one)),
            id: number(other),
            generation,
            expires_at: DateTime::from_timestamp_millis((millis % MILLIS).cast_signed()).expect("a time"),
        };
        hold(token, &keys, data);
    }
});

/// A link leads to where it led, and nowhere else; a picture leads nowhere.
fn follow(tenant: TenantId, message: MessageId, link: &str) {
    let url = Url::parse(link).ok();
    let token = signed(b"click\0", tenant, message, link);
    let is_short = token.len() <= TOKEN_BYTES_MAX;
    let followed = |url| Followed { tenant, message, url };
    let expected = url.filter(|_| is_short).map(|url| followed(Some(url)));
    assert_eq!(read(&KEYRING, Purpose::Click, &token), expected);
    assert_eq!(read(&KEYRING, Purpose::Open, &token), None, "a link that is a picture");
    let other = String::from_utf8(altered(token.as_bytes(), link.as_bytes())).expect("ASCII");
    assert_eq!(read(&KEYRING, Purpose::Click, &other), None, "a link that was altered");

    let token = signed(b"open\0", tenant, message, "");
    assert_eq!(read(&KEYRING, Purpose::Open, &token), Some(followed(None)));
    assert_eq!(read(&KEYRING, Purpose::Click, &token), None, "a picture that is a link");
}

/// A token as its documentation says that it is made: by another hand.
fn signed(purpose: &[u8], tenant: TenantId, message: MessageId, url: &str) -> String {
    let said = [tenant.0.as_bytes().as_slice(), message.0.as_bytes(), url.as_bytes()].concat();
    let id = KEYRING.current();
    let key = KEYRING.derived(id, "relais tracking links").expect("a key");
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &key),
        &[purpose, said.as_slice()].concat(),
    );
    let [said, mac] = [said.as_slice(), &tag.as_ref()[..16]].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{id}.{said}.{mac}")
}

/// A token says what it was made of, as long as nothing of it is changed, and shows nothing of it.
fn hold(token: Token, keys: &[TokenKey], dice: &[u8]) {
    let signed = token.sign(&keys[0]);
    let text = signed.expose();
    assert_eq!(Token::read(text, keys), Some(token));
    assert_eq!(Token::read(text, &[TokenKey::new([9; 32])]), None, "under another key");
    let other = String::from_utf8(altered(text.as_bytes(), dice)).expect("ASCII");
    assert_eq!(Token::read(&other, keys), None, "a token that was altered");
    for kind in KINDS.into_iter().filter(|kind| *kind != token.kind) {
        let other = text.replacen(token.kind.prefix(), kind.prefix(), 1);
        assert_eq!(Token::read(&other, keys), None, "a token of another kind");
    }
    assert!(
        !format!("{signed:?} {:?}", keys[0]).contains(&text[3..]),
        "a token shows itself"
    );
}

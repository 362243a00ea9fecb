//! Mails signed with their domain's key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use providers::outgoing::{Line, OutgoingEmail};
use providers::smtp::{Dkim, SmtpClient};
use providers::{Class, Failure};
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use secrecy::SecretString;

use crate::smtp::credentials;
use crate::smtp_server::{GOOD, SmtpServer};
use crate::{full_mail, mailbox, now, plain_mail};

/// 32 bytes that are nobody's key.
const SEED: [u8; 32] = [7; 32];
#[cfg(feature = "services")]
pub(crate) const SEED_BASE64: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[tokio::test]
async fn a_signed_mail_passes_as_its_domains_and_a_changed_one_does_not() {
    let server = SmtpServer::start(GOOD).await;
    let dkim = Dkim::new("mail.example.com", "s1", &SecretString::from(base64(&SEED))).unwrap();
    let client = SmtpClient::new(&credentials(&server).with_dkim(dkim)).unwrap();
    let long_subject = OutgoingEmail {
        subject: Line::new(&"Ein langer Betreff, é. ".repeat(30)),
        ..full_mail()
    };
    for mail in [plain_mail(), full_mail(), long_subject] {
        client.send(&mail, now()).await.unwrap();
        let mail = server.mails().pop().unwrap();
        assert!(dkim_passes(&mail), "{mail}");
        assert!(!dkim_passes(&mail.replacen("example.com", "example.org", 1)));
        assert!(!dkim_passes(&format!("{mail}P.S.\n")));
        assert!(!dkim_passes(&format!("Reply-To: else@example.org\n{mail}")));
    }

    let endless = OutgoingEmail {
        subject: Line::new(&"𝔘".repeat(900)),
        to: mailbox("ana@example.com").named(&Line::new(&"𝔘".repeat(900))),
        ..plain_mail()
    };
    let error = client.send(&endless, now()).await.unwrap_err();
    assert_eq!(error.failure, Failure::Rejected(Class::Content));
}

/// Checks a signature as RFC 6376 says for `relaxed/relaxed` and RFC 8463 for Ed25519, with the key that belongs to
/// [`SEED`]. Enough for what is written here, and by other means than it was written with.
pub(crate) fn dkim_passes(mail: &str) -> bool {
    let (head, body) = mail.split_once("\n\n").unwrap();
    let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
    let relaxed = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        let words: Vec<_> = value.split_whitespace().collect();
        format!("{}:{}", name.to_lowercase().trim(), words.join(" "))
    };
    let headers: Vec<String> = unfolded.lines().map(relaxed).collect();
    let signature = headers.iter().find(|line| line.starts_with("dkim-signature:")).unwrap();
    let tag = |name: &str| {
        let tags = signature["dkim-signature:".len()..].split(';');
        tags.map(str::trim)
            .find_map(|tag| tag.strip_prefix(name))
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (tag("d="), tag("s="), tag("c=")),
        ("mail.example.com".into(), "s1".into(), "relaxed/relaxed".into())
    );

    let lines = body.lines().map(|line| {
        let words: Vec<_> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        let indent = if line.starts_with([' ', '\t']) && !words.is_empty() {
            " "
        } else {
            ""
        };
        format!("{indent}{}\r\n", words.join(" "))
    });
    let body: String = lines.collect();
    let body = format!("{}\r\n", body.trim_end_matches("\r\n"));
    if tag("bh=") != base64(digest(&SHA256, body.as_bytes()).as_ref()) {
        return false;
    }

    let mut signed = String::new();
    for name in tag("h=").split(':') {
        if let Some(header) = headers.iter().find(|line| line.starts_with(&format!("{name}:"))) {
            signed += &format!("{header}\r\n");
        }
    }
    let b = tag("b=");
    signed += &signature.replace(&format!("b={b}"), "b=");
    let hash = digest(&SHA256, signed.as_bytes());
    let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
    let key = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref().to_vec());
    let b = STANDARD.decode(b).unwrap();
    key.verify(hash.as_ref(), &b).is_ok()
}

#[test]
fn unusable_keys_are_refused_with_a_reason_and_never_repeated() {
    let check = |domain: &str, selector: &str, key: &str, field: &str| {
        let error = Dkim::new(domain, selector, &SecretString::from(key)).unwrap_err();
        assert_eq!(error.field, field);
        assert!(!format!("{error} {error:?}").contains("fixture"));
    };
    let good = base64(&SEED);
    check("exämple.com", "s1", &good, "domain");
    check("example.com; d=other.example", "s1", &good, "domain");
    check("example.com", "", &good, "selector");
    check("example.com", "s 1", &good, "selector");
    check("example.com", "s1", "", "key");
    check("example.com", "s1", "fixture", "key");
    check("example.com", "s1", &base64(&[7; 31]), "key");
    check(
        "example.com",
        "s1",
        "-----BEGIN PRIVATE KEY-----\nfixture\n-----END PRIVATE KEY-----",
        "key",
    );
    check(
        "example.com",
        "s1",
        "-----BEGIN RSA PRIVATE KEY-----\nfixture\n-----END RSA PRIVATE KEY-----",
        "key",
    );
    let zeros = base64(&[0; 700]);
    check(
        "example.com",
        "s1",
        &format!("-----BEGIN RSA PRIVATE KEY-----\n{zeros}\n-----END RSA PRIVATE KEY-----"),
        "key",
    );
    let rsa = include_str!("dkim_rsa.pem");
    let dkim = Dkim::new("example.com", "s1", &SecretString::from(rsa)).unwrap();
    assert_eq!(format!("{dkim:?}"), "Dkim(\"example.com\")");
}

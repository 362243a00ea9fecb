//! Requests that are signed here, so that every body is looked at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use providers::green_api::GreenApiVerifier;
use providers::resend::ResendVerifier;
use providers::sendgrid::{self, SendGridVerifier};
use providers::standard_webhooks::{self, StandardVerifier};
use providers::twilio::{self, TwilioVerifier};
use providers::vapi::{HmacPlan, VapiVerifier};
use providers::{Event, Provider, Request, Verifier, WebhookError};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use secrecy::SecretString;

/// When every request is sent and received, in unix seconds.
pub const NOW: &str = "1772446540";
/// Where every request is sent.
pub const URL: &str = "https://hooks.example.com/webhooks/x?tenant=t_1001";
/// The secret of every endpoint.
pub const SECRET: &str = "fixture-secret-0001";
/// What a form says it is.
pub const FORM: &str = "application/x-www-form-urlencoded";

const MESSAGE_ID: &str = "msg_1";
/// The key that the recorded requests of SendGrid are signed with, and its public half as SendGrid shows one.
const SENDGRID_SCALAR: &str = "b97a9a01b38416b57bfbd83617cf6b965d1dc15a908c2196839e129856eb84f9";
const SENDGRID_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErUG97sG4z7myecAH/Mq2e21We4kVgB50fg/vzhvOY0qaHvP9fSeemAhGp/SioY/EL7PPPjNpt7VdD6tbe/s6+A==";
/// Where the point begins in a public key.
const POINT_AT: usize = 26;

/// Now.
#[must_use]
pub fn now() -> DateTime<Utc> {
    NOW.parse()
        .ok()
        .and_then(DateTime::from_timestamp_secs)
        .expect("a time")
}

/// The proof that a request carries: its bytes, and how they stand in which header.
#[derive(Clone)]
pub struct Proof {
    /// The header.
    pub header: &'static str,
    /// How the bytes are written.
    pub write: fn(&[u8]) -> String,
    /// The signature, or the token.
    pub bytes: Vec<u8>,
}

/// One request, and who checks it.
#[derive(Clone)]
pub struct Signed {
    /// Who checks it.
    pub verifier: Verifier,
    /// `POST` or `GET`.
    pub method: &'static str,
    /// Where it is sent.
    pub url: String,
    /// Its headers but the proof.
    pub headers: HeaderMap,
    /// What it says.
    pub body: Vec<u8>,
    /// What vouches for it.
    pub proof: Proof,
    /// Whether the proof is about the body, too, and not only about who sends it.
    pub covers_body: bool,
}

/// Headers of these names and values.
#[must_use]
pub fn headers(headers: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().expect("a name");
        (name, HeaderValue::from_str(value).expect("a value"))
    };
    headers.iter().map(header).collect()
}

/// A signature as most write it.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// An HMAC of these parts, one after another.
#[must_use]
pub fn tag(algorithm: hmac::Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    let key = hmac::Key::new(algorithm, SECRET.as_bytes());
    hmac::sign(&key, &parts.concat()).as_ref().to_vec()
}

impl Signed {
    /// By a provider, in its usual way.
    ///
    /// # Panics
    /// For a provider that posts nothing.
    #[must_use]
    pub fn by(provider: Provider, body: &[u8]) -> Self {
        match provider {
            Provider::SendGrid => by_sendgrid(body),
            Provider::Resend => by_standard(body, |key| {
                Verifier::Resend(ResendVerifier::new(&[key]).expect("a key"))
            }),
            Provider::StandardWebhooks => by_standard(body, |key| {
                Verifier::StandardWebhooks(StandardVerifier::new(&[key]).expect("a key"))
            }),
            Provider::Twilio => by_twilio(URL, body),
            Provider::GreenApi => by_green_api(body),
            Provider::Vapi => by_vapi(body),
            Provider::Smtp => panic!("no mail server posts webhooks"),
        }
    }

    /// Its headers with the proof.
    #[must_use]
    pub fn all_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        let proof = HeaderValue::from_str(&(self.proof.write)(&self.proof.bytes)).expect("a header");
        headers.insert(self.proof.header, proof);
        headers
    }

    /// What becomes of it.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn verify(&self) -> Result<Vec<Event>, WebhookError> {
        let request = Request {
            method: self.method,
            url: &self.url,
            headers: &self.all_headers(),
            body: &self.body,
            received_at: now(),
        };
        self.verifier.verify(&request).map(|events| events.into_inner())
    }

    /// The same with another body, and with another proof: one byte changed, which one follows from the body.
    #[must_use]
    pub fn altered(&self) -> Vec<Self> {
        let mut all = vec![Self {
            proof: Proof {
                bytes: altered(&self.proof.bytes, &self.body),
                ..self.proof.clone()
            },
            ..self.clone()
        }];
        if self.covers_body && !self.body.is_empty() {
            all.push(Self {
                body: altered(&self.body, &self.body),
                ..self.clone()
            });
        }
        all
    }
}

/// What an endpoint of that provider is given, so that it takes what is signed here.
///
/// # Panics
/// For a provider that posts nothing.
#[must_use]
pub fn endpoint_secret(provider: Provider) -> SecretString {
    match provider {
        Provider::SendGrid => SENDGRID_KEY.into(),
        Provider::Resend | Provider::StandardWebhooks => standard_key(),
        Provider::Twilio | Provider::GreenApi | Provider::Vapi => SECRET.into(),
        Provider::Smtp => panic!("no mail server posts webhooks"),
    }
}

/// The secret as Standard Webhooks writes one.
#[must_use]
pub fn standard_key() -> SecretString {
    format!("whsec_{}", base64(SECRET.as_bytes())).into()
}

/// The same bytes but one. What it becomes, and which one it is, follows from `dice`. Printable ones stay so, because a
/// token has no others.
#[must_use]
pub fn altered(bytes: &[u8], dice: &[u8]) -> Vec<u8> {
    let dice = dice
        .iter()
        .fold(17_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    let mut bytes = bytes.to_vec();
    let at = dice % bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << ((dice >> 8) % 4);
    }
    bytes
}

fn by_sendgrid(body: &[u8]) -> Signed {
    let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_ASN1_SIGNING);
    let scalar = hex::decode(SENDGRID_SCALAR).expect("hex");
    let public = STANDARD.decode(SENDGRID_KEY).expect("base64");
    let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &scalar, &public[POINT_AT..], &random);
    let signature = pair.expect("a key").sign(&random, &[NOW.as_bytes(), body].concat());
    Signed {
        verifier: Verifier::SendGrid(SendGridVerifier::new(&[SENDGRID_KEY.into()]).expect("a key")),
        method: "POST",
        url: URL.into(),
        headers: headers(&[(sendgrid::TIMESTAMP_HEADER, NOW)]),
        body: body.to_vec(),
        proof: Proof {
            header: "x-twilio-email-event-webhook-signature",
            write: base64,
            bytes: signature.expect("a signature").as_ref().to_vec(),
        },
        covers_body: true,
    }
}

fn by_standard(body: &[u8], verifier: fn(SecretString) -> Verifier) -> Signed {
    let ours = standard_webhooks::sign(&standard_key(), MESSAGE_ID, NOW, body).expect("a signature");
    let tag = tag(
        hmac::HMAC_SHA256,
        &[MESSAGE_ID.as_bytes(), b".", NOW.as_bytes(), b".", body],
    );
    let write = |tag: &[u8]| format!("v1,{}", base64(tag));
    assert_eq!(write(&tag), ours, "we sign as the specification says");
    Signed {
        verifier: verifier(standard_key()),
        method: "POST",
        url: URL.into(),
        headers: headers(&[("webhook-id", MESSAGE_ID), ("webhook-timestamp", NOW)]),
        body: body.to_vec(),
        proof: Proof {
            header: "webhook-signature",
            write,
            bytes: tag,
        },
        covers_body: true,
    }
}

/// A form that is posted.
#[must_use]
pub fn by_twilio(url: &str, body: &[u8]) -> Signed {
    let signature = twilio::sign(&SECRET.into(), url, body).expect("a signature");
    Signed {
        verifier: Verifier::Twilio(TwilioVerifier::new(&[SECRET.into()]).expect("a token")),
        method: "POST",
        url: url.into(),
        headers: headers(&[("content-type", FORM)]),
        body: body.to_vec(),
        proof: Proof {
            header: "x-twilio-signature",
            write: base64,
            bytes: STANDARD.decode(signature).expect("base64"),
        },
        // What is signed is names and values without anything between, so not every change of the text is one of it.
        covers_body: false,
    }
}

fn by_green_api(body: &[u8]) -> Signed {
    Signed {
        verifier: Verifier::GreenApi(GreenApiVerifier::new(&[SECRET.into()]).expect("a token")),
        method: "POST",
        url: URL.into(),
        headers: HeaderMap::new(),
        body: body.to_vec(),
        proof: Proof {
            header: "authorization",
            write: |token| format!("Bearer {}", String::from_utf8_lossy(token)),
            bytes: SECRET.into(),
        },
        covers_body: false,
    }
}

fn by_vapi(body: &[u8]) -> Signed {
    Signed {
        verifier: Verifier::Vapi(VapiVerifier::hmac(&[SECRET.into()], HmacPlan::default()).expect("a plan")),
        method: "POST",
        url: URL.into(),
        headers: headers(&[("x-timestamp", NOW)]),
        body: body.to_vec(),
        proof: Proof {
            header: "x-signature",
            write: |tag| hex::encode(tag),
            bytes: tag(hmac::HMAC_SHA256, &[NOW.as_bytes(), b".", body]),
        },
        covers_body: true,
    }
}

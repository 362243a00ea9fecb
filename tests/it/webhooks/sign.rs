//! Requests signed now, as each provider signs them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use providers::{sendgrid, standard_webhooks, twilio};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use secrecy::SecretString;

use super::raw::Raw;

/// What stands before the point in the base64 that SendGrid shows (RFC 5480).
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A signed event webhook of SendGrid.
pub(crate) struct SendGrid {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl SendGrid {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        Self { key, random }
    }

    /// What SendGrid shows as the verification key.
    pub(crate) fn verification_key(&self) -> String {
        STANDARD.encode([&SPKI_P256, self.key.public_key().as_ref()].concat())
    }

    pub(crate) fn post(&self, target: &str, body: &str) -> Raw {
        let timestamp = now();
        let signed = [timestamp.as_bytes(), body.as_bytes()].concat();
        let signature = self.key.sign(&self.random, &signed).unwrap();
        Raw::post(target, body)
            .with("Content-Type", "application/json")
            .with(sendgrid::SIGNATURE_HEADER, STANDARD.encode(signature))
            .with(sendgrid::TIMESTAMP_HEADER, timestamp)
    }
}

/// By Standard Webhooks; Resend's headers are called `svix-…`.
pub(crate) fn standard(family: &str, target: &str, secret: &str, id: &str, body: &str) -> Raw {
    let timestamp = now();
    let signature = standard_webhooks::sign(&SecretString::from(secret), id, &timestamp, body.as_bytes()).unwrap();
    Raw::post(target, body)
        .with("Content-Type", "application/json")
        .with(&format!("{family}-id"), id)
        .with(&format!("{family}-timestamp"), timestamp)
        .with(&format!("{family}-signature"), signature)
}

/// A form of Twilio, sent to `target` and signed for `url`.
pub(crate) fn twilio(target: &str, url: &str, token: &str, form: &str) -> Raw {
    Raw::post(target, form)
        .with("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        .with(twilio::SIGNATURE_HEADER, twilio_signature(url, token, form))
}

pub(crate) fn twilio_signature(url: &str, token: &str, form: &str) -> String {
    twilio::sign(&SecretString::from(token), url, form.as_bytes()).unwrap()
}

/// A request that shows a token.
pub(crate) fn shown(target: &str, header: &str, token: &str, body: &str) -> Raw {
    Raw::post(target, body)
        .with("Content-Type", "application/json")
        .with(header, token)
}

fn now() -> String {
    Utc::now().timestamp().to_string()
}

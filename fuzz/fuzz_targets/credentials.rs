//! Accounts at providers, as tenants enter them. Input: JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use providers::{Credentials, Provider};
use serde_json::Value;

const PROVIDERS: [Provider; 5] = [
    Provider::Smtp,
    Provider::SendGrid,
    Provider::Resend,
    Provider::Twilio,
    Provider::GreenApi,
];
const SECRETS: [&str; 5] = [
    "api_key",
    "auth_token",
    "api_key_secret",
    "api_token_instance",
    "password",
];
/// Shorter ones are in other words by chance.
const BYTES_MIN: usize = 8;

fuzz_target!(|data: &[u8]| {
    let fields = serde_json::from_slice::<Value>(data).unwrap_or_default();
    let shown_anyway: String = fields
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !SECRETS.contains(&name.as_str()))
        .map(|(_, value)| value.to_string())
        .collect();
    for provider in PROVIDERS {
        let shown = match Credentials::parse(provider, data) {
            Ok(known) => {
                assert_eq!(known.provider(), provider);
                format!("{known:?} {}", known.preview())
            }
            Err(error) => format!("{error} {error:?}"),
        };
        for secret in SECRETS.iter().filter_map(|name| fields.get(name)?.as_str()) {
            if secret.len() >= BYTES_MIN && !shown_anyway.contains(secret) {
                assert!(!shown.contains(secret), "this shows {secret:?}: {shown}");
            }
        }
    }
});

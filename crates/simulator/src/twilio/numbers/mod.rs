//! Numbers: searched, bought, shown, changed and released.

mod buy;
mod owned;
mod search;

use super::memory::Owned;
use crate::twilio::PATH;
use crate::world::State;

pub(super) use buy::buy;
pub(super) use owned::{change, fetch, list, release};
pub(super) use search::search;

const PAGE_SIZE: usize = 50;
const PAGE_SIZE_MAX: usize = 1_000;
/// What may be said about a number that is bought or owned.
const SETTINGS: [&str; 9] = [
    "FriendlyName",
    "SmsUrl",
    "SmsMethod",
    "SmsFallbackUrl",
    "VoiceUrl",
    "VoiceMethod",
    "VoiceFallbackUrl",
    "StatusCallback",
    "StatusCallbackMethod",
];

type Pairs = Vec<(String, String)>;

fn value<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(other, value)| other == name && !value.is_empty());
    found.map(|(_, value)| value.as_str())
}

fn without_suffix(file: &str) -> &str {
    file.strip_suffix(".json").unwrap_or(file)
}

fn is_sold(state: &State, phone_number: &str) -> bool {
    state
        .twilio
        .owned
        .iter()
        .any(|owned| owned.phone_number == phone_number)
}

fn settings(form: &Pairs) -> Pairs {
    form.iter()
        .filter(|(name, _)| SETTINGS.contains(&name.as_str()))
        .cloned()
        .collect()
}

/// A number that was bought, as Twilio shows it.
fn shown(owned: &Owned) -> serde_json::Value {
    let Owned { sid, account, .. } = owned;
    let date = owned.bought_at.to_rfc2822();
    let setting = |name| owned.setting(name).unwrap_or_default();
    let method = |name| owned.setting(name).unwrap_or("POST");
    serde_json::json!({
        "account_sid": account,
        "address_requirements": "none",
        "address_sid": null,
        "api_version": "2010-04-01",
        "beta": false,
        "bundle_sid": null,
        "capabilities": { "voice": true, "sms": true, "mms": true, "fax": false },
        "date_created": date,
        "date_updated": date,
        "emergency_address_sid": null,
        "emergency_address_status": "unregistered",
        "emergency_status": "Inactive",
        "friendly_name": owned.setting("FriendlyName").unwrap_or(&owned.phone_number),
        "identity_sid": null,
        "origin": "twilio",
        "phone_number": owned.phone_number,
        "sid": sid,
        "sms_application_sid": "",
        "sms_fallback_method": "POST",
        "sms_fallback_url": setting("SmsFallbackUrl"),
        "sms_method": method("SmsMethod"),
        "sms_url": setting("SmsUrl"),
        "status": "in-use",
        "status_callback": setting("StatusCallback"),
        "status_callback_method": method("StatusCallbackMethod"),
        "trunk_sid": null,
        "type": owned.kind,
        "uri": format!("{PATH}/Accounts/{account}/IncomingPhoneNumbers/{sid}.json"),
        "voice_application_sid": null,
        "voice_caller_id_lookup": false,
        "voice_fallback_method": "POST",
        "voice_fallback_url": setting("VoiceFallbackUrl"),
        "voice_method": method("VoiceMethod"),
        "voice_receive_mode": "voice",
        "voice_url": setting("VoiceUrl"),
    })
}

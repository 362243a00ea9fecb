//! Ids, cursors and base URLs in requests and settings. Input: the text.

#![no_main]

use domain::{ApiKeyId, ChallengeId, ContactId, EndpointId, EventId, InteractionId, MessageId, TenantId};
use libfuzzer_sys::fuzz_target;
use providers::BaseUrl;
use queue::JobId;
use relais_fuzz::same;
use store::Cursor;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    same::<TenantId>(text);
    same::<ApiKeyId>(text);
    same::<EndpointId>(text);
    same::<ContactId>(text);
    same::<MessageId>(text);
    same::<EventId>(text);
    same::<InteractionId>(text);
    same::<ChallengeId>(text);
    same::<JobId>(text);
    same::<Cursor>(text);
    drop(BaseUrl::parse(text));
});

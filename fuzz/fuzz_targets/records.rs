//! What is stored as JSON and read by every later version: messages, reports, what is remembered. Input: JSON.

#![no_main]

use domain::alert::Watch;
use domain::{InboundRecord, OutgoingRecord, ReportRecord, ScoreRules, Traces};
use jobs::sending::Sending;
use libfuzzer_sys::fuzz_target;
use relais_fuzz::{odd_texts, shows_none};
use serde::Serialize;
use serde::de::DeserializeOwned;

fuzz_target!(|data: &[u8]| {
    same::<Sending>(data);
    same::<ScoreRules>(data);
    same::<Watch>(data);
    if let Some(record) = same::<OutgoingRecord>(data) {
        shows_none(&format!("{record:?}"), &odd_texts(data));
    }
    if let Some(record) = same::<ReportRecord>(data) {
        let nobody = record.of_nobody();
        assert_eq!(nobody.of_nobody(), nobody, "somebody was left");
        assert_eq!(
            (nobody.kind, nobody.cause()),
            (record.kind, record.cause()),
            "what counts has gone"
        );
    }
    if let Some(record) = same::<InboundRecord>(data) {
        assert_eq!(record.intent().as_str().parse(), Ok(record.intent()));
    }
    if let Some(traces) = same::<Traces>(data) {
        for contact in &traces.contacts {
            assert!(
                traces.have_contact_in(&contact.to_string()),
                "a contact that is not found by its id"
            );
        }
        let mut joined = traces.clone();
        joined.join(traces.clone());
        assert_eq!(joined.contacts, traces.contacts, "joined with itself, it is another");
    }
});

/// Stored and read, it is the same.
fn same<T: DeserializeOwned + Serialize + PartialEq>(data: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(data).ok()?;
    let stored = serde_json::to_string(&read).expect("it is JSON");
    let again: T = serde_json::from_str(&stored).expect("what was stored is read");
    assert!(again == read, "stored and read, it is another: {stored}");
    Some(read)
}

//! What lies in payloads: any provider's event, and the record of an e-mail's. Input: JSON.

#![no_main]

use domain::EmailEventRecord;
use libfuzzer_sys::fuzz_target;
use providers::Event;

fuzz_target!(|data: &[u8]| {
    if let Ok(event) = serde_json::from_slice::<Event>(data) {
        let stored = serde_json::to_string(&event).expect("an event is JSON");
        let read: Event = serde_json::from_str(&stored).expect("what was stored is read");
        assert!(read == event, "stored and read, it is another: {stored}");
        drop(event.email_record());
    }
    if let Ok(record) = serde_json::from_slice::<EmailEventRecord>(data) {
        let stored = serde_json::to_string(&record).expect("a record is JSON");
        let read: EmailEventRecord = serde_json::from_str(&stored).expect("what was stored is read");
        assert!(read == record, "stored and read, it is another: {stored}");
    }
});

//! The stored form of a job. Input: an envelope, or what is to be put into one.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use queue::JobId;
use queue::envelope::{Envelope, seal_payload};
use relais_fuzz::altered;
use seal::Keyring;
use uuid::Uuid;

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| Keyring::parse(&Keyring::generate("k1")).expect("a keyring"));
const JOB: JobId = JobId(Uuid::from_u128(7));
const KIND: &str = "send_otp";

fuzz_target!(|data: &[u8]| {
    if let Some(envelope) = Envelope::decode(data) {
        assert_eq!(envelope.encode(), data, "read and written, it is another");
        assert!(envelope.open(JOB, &KEYRING).is_err(), "nobody sealed this");
    }

    let sealed = seal_payload(JOB, KIND, data, &KEYRING);
    let envelope = Envelope {
        created_at: 1,
        expires_at: None,
        correlation: Uuid::nil(),
        kind: KIND,
        sealed: &sealed,
    };
    let stored = envelope.encode();
    let read = Envelope::decode(&stored).expect("what was written is read");
    assert_eq!(read, envelope);
    assert_eq!(read.open(JOB, &KEYRING).as_deref(), Ok(data));
    let another = JobId(Uuid::from_u128(8));
    assert!(
        read.open(another, &KEYRING).is_err(),
        "another job's payload was opened"
    );
    let damaged = altered(&sealed, data);
    let damaged = Envelope {
        sealed: &damaged,
        ..envelope
    };
    assert!(damaged.open(JOB, &KEYRING).is_err(), "an altered payload was opened");
});

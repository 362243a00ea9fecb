//! A batch of SendGrid's events. Input: the body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use providers::Provider;
use relais_fuzz::{Signed, check_webhook};

fuzz_target!(|body: &[u8]| check_webhook(&Signed::by(Provider::SendGrid, body)));

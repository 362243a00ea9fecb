//! Payloads of jobs, which operators may edit. Input: JSON.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use queue::Registry;
use relais_fuzz::{odd_texts, shows_none};

static REGISTRY: LazyLock<Registry<jobs::Ctx>> = LazyLock::new(jobs::registry);

fuzz_target!(|data: &[u8]| {
    let odd = odd_texts(data);
    for kind in REGISTRY.names() {
        match REGISTRY.check(kind, data) {
            None => panic!("{kind} is not known"),
            Some(Ok(())) => {}
            Some(Err(why)) => shows_none(&why, &odd),
        }
    }
});

//! Which line a message that came in stands in: that of its sender at its endpoint.

use domain::EndpointId;
use providers::{Event, News};
use ring::digest::{SHA256, digest};

/// How many bits of the digest name the line. A line's name is shown to operators, and nobody must read from it who wrote: a
/// digest of a telephone number is found by trying all of them, so each name stands for thousands of numbers
/// (10^10 / 2^20). Strangers who share a line merely take turns.
const BITS: u32 = 20;

/// `None` unless it is a message that somebody wrote to us, and not to a group: those are kept and do nothing.
pub(super) fn of(endpoint: EndpointId, event: &Event) -> Option<String> {
    let News::Inbound(message) = &event.news else {
        return None;
    };
    if message.group.is_some() {
        return None;
    }
    let told = [endpoint.0.as_bytes(), message.from.expose().as_bytes()].concat();
    let digest = digest(&SHA256, &told);
    let first = digest
        .as_ref()
        .iter()
        .take(4)
        .fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
    Some(format!("from:{endpoint}:{:05x}", first >> (u32::BITS - BITS)))
}

//! Messages: each must have left once, or say why it did not.

use std::collections::BTreeMap;

use domain::outgoing::AttemptState;
use jobs::SendEmail;
use queue::{Job as _, JobId};
use serde::Serialize;
use uuid::Uuid;

use super::{Evidence, Wrong, whereabouts, wishes};
use crate::book::{Class, Send, What, Wish};
use crate::kept::Whereabouts;

/// What became of messages, by whether their provider can tell what it has.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sends {
    pub(crate) asked: u64,
    pub(crate) promised: u64,
    /// Accepted outside.
    pub(crate) sent: u64,
    /// Promised, never accepted outside, and nowhere to be found; or not accepted, although the store says so.
    pub(crate) lost: u64,
    /// Accepted twice, by providers that can tell (a key, a look-up) and those that cannot. Neither must be.
    pub(crate) sent_twice: u64,
    /// Accepted twice, of those that are sent again by rule when an answer was lost.
    pub(crate) sent_again_by_rule: u64,
    /// Accepted outside, and the store says that they were not.
    pub(crate) denied: u64,
    /// Nobody can tell whether they were accepted: they wait for a person, as dead letters.
    pub(crate) unknown: u64,
    /// How many of these were accepted.
    pub(crate) unknown_sent: u64,
    /// Refused by the provider: not sent, and told so.
    pub(crate) failed: u64,
    /// Not sent, and a dead letter for another reason.
    pub(crate) dead: u64,
    /// Still waiting.
    pub(crate) unfinished: u64,
    /// How many were accepted outside, by sort.
    pub(crate) by_class: BTreeMap<&'static str, u64>,
}

impl Sends {
    pub(super) fn wrong(&self) -> u64 {
        self.lost + self.sent_twice + self.denied + self.unfinished
    }
}

pub(super) fn judge(evidence: &Evidence, wrong: &mut Wrong) -> Sends {
    let mut sends = Sends::default();
    for (wish, send) in wishes(&evidence.pages, What::send) {
        sends.asked += 1;
        sends.promised += u64::from(wish.promised_at.is_some());
        let times = evidence.effects.get(&send.mark).copied().unwrap_or_default();
        *sends.by_class.entry(name(send.class)).or_default() += times;
        sends.sent += u64::from(times > 0);
        if times > 1 {
            if send.class == Class::Code {
                sends.sent_again_by_rule += 1;
            } else {
                sends.sent_twice += 1;
                wrong.say(|| format!("sent {times} times: {wish:?}"));
            }
        }
        if wish.promised_at.is_some() {
            one(evidence, wish, send, times, &mut sends, wrong);
        }
    }
    sends
}

/// What the installation says of a message that it promised to send.
fn one(evidence: &Evidence, wish: &Wish, send: &Send, times: u64, sends: &mut Sends, wrong: &mut Wrong) {
    let outgoing = send.id.and_then(|id| evidence.facts.sends.get(&id));
    let state = outgoing.and_then(|outgoing| outgoing.attempt_state.as_deref());
    let says_sent = state == Some(AttemptState::Sent.as_str());
    let open = [AttemptState::Unclear, AttemptState::Intended].map(AttemptState::as_str);
    let is_open = state.is_some_and(|state| open.contains(&state));
    match (place(evidence, wish, send), times) {
        (Whereabouts::Live, _) => sends.unfinished += 1,
        (Whereabouts::Dead, _) if is_open => {
            sends.unknown += 1;
            sends.unknown_sent += u64::from(times > 0);
        }
        (Whereabouts::Dead, 0) => sends.dead += 1,
        (_, 0) if says_sent || outgoing.is_none_or(|outgoing| outgoing.status != "failed") => {
            sends.lost += 1;
            wrong.say(|| format!("never left: {wish:?}; the store says {outgoing:?}"));
        }
        (_, 0) => sends.failed += 1,
        (_, _) if !says_sent => {
            sends.denied += 1;
            wrong.say(|| format!("left, and the store does not know: {wish:?}; it says {outgoing:?}"));
        }
        (_, _) => {}
    }
}

/// Where the message's job is: that of its first account or of its second.
fn place(evidence: &Evidence, wish: &Wish, send: &Send) -> Whereabouts {
    match (whereabouts(evidence, wish), send.id) {
        (Whereabouts::Gone, Some(id)) => evidence.kept.state(second_job(evidence.tenant, id)),
        (found, _) => found,
    }
}

fn second_job(tenant: Uuid, message: Uuid) -> JobId {
    JobId::derive(SendEmail::KIND, tenant, &format!("{message}/1"))
}

const fn name(class: Class) -> &'static str {
    match class {
        Class::LookUp => "look_up",
        Class::Idempotent => "idempotent",
        Class::Neither => "neither",
        Class::Fallback => "fallback",
        Class::Code => "code",
    }
}

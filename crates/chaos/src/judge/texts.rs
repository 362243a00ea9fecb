//! Texts that people wrote: each recorded once, and those of a conversation in the order in which they were written.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Evidence, Wrong, whereabouts};
use crate::book::Millis;
use crate::kept::Whereabouts;

/// What became of texts.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Texts {
    pub(crate) asked: u64,
    pub(crate) promised: u64,
    pub(crate) recorded: u64,
    /// Promised, and nowhere to be found.
    pub(crate) lost: u64,
    pub(crate) recorded_twice: u64,
    /// Recorded before one that was promised before it was even posted.
    pub(crate) out_of_order: u64,
    /// Promised, and a dead letter.
    pub(crate) dead: u64,
    /// Promised, and still waiting.
    pub(crate) unfinished: u64,
    pub(crate) conversations: u64,
}

impl Texts {
    pub(super) fn wrong(&self) -> u64 {
        self.lost + self.recorded_twice + self.out_of_order + self.unfinished
    }
}

pub(super) fn judge(evidence: &Evidence, wrong: &mut Wrong) -> Texts {
    let mut texts = Texts::default();
    // Of each conversation, in order: when its texts were recorded.
    let mut conversations: BTreeMap<u32, Vec<(u32, Millis)>> = BTreeMap::new();
    for wish in &evidence.pages.wishes {
        let Some(text) = wish.what.inbound() else { continue };
        texts.asked += 1;
        texts.promised += u64::from(wish.promised_at.is_some());
        let conversation = conversations.entry(text.conversation).or_default();
        match evidence.facts.texts.get(&text.sid()).map_or(&[][..], Vec::as_slice) {
            [] if wish.promised_at.is_none() => {}
            [] => match whereabouts(evidence, wish) {
                Whereabouts::Dead => texts.dead += 1,
                Whereabouts::Live => texts.unfinished += 1,
                Whereabouts::Gone => {
                    texts.lost += 1;
                    wrong.say(|| format!("lost: {wish:?}"));
                }
            },
            [at, again @ ..] => {
                texts.recorded += 1;
                texts.recorded_twice += again.len() as u64;
                conversation.push((text.number, *at));
            }
        }
    }
    texts.conversations = conversations.len() as u64;
    for (conversation, mut recorded) in conversations {
        recorded.sort_unstable();
        for pair in recorded.windows(2) {
            let [(first, before), (second, at)] = [pair[0], pair[1]];
            if at < before {
                texts.out_of_order += 1;
                wrong.say(|| format!("conversation {conversation}: text {second} at {at}, {first} at {before}"));
            }
        }
    }
    texts
}

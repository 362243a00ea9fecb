//! What the page shows, before it is HTML.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::words::Language;
use crate::ledger::{Effect, Ledger, Replied};
use crate::provider::{Channel, Provider};
use crate::script::Status;

/// The most messages on one page.
const LINES_MAX: usize = 200;

/// What the reader chose.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) language: Language,
    /// Whose messages. Everybody's if none.
    pub(super) whose: Option<String>,
    /// The number of the message that is being answered.
    pub(super) answering: Option<u64>,
    /// The answer before could not be sent.
    pub(super) has_failed: bool,
    /// The page stays as it is until the reader wants it otherwise.
    pub(super) is_still: bool,
}

impl Choice {
    pub(super) fn read(pairs: &[(String, String)], accept_language: &str) -> Self {
        let value = |name: &str| {
            let found = pairs.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let chosen = value("lang").and_then(Language::of_code);
        Self {
            language: chosen.unwrap_or_else(|| Language::preferred(accept_language)),
            whose: value("box").map(str::to_owned),
            answering: value("answer").and_then(|number| number.parse().ok()),
            has_failed: value("failed").is_some(),
            is_still: value("still").is_some(),
        }
    }
}

/// One message, received or answered.
pub(super) struct Line<'a> {
    pub(super) number: u64,
    pub(super) provider: Provider,
    pub(super) channel: Channel,
    /// Whether the telephone or mailbox wrote it.
    pub(super) is_answer: bool,
    /// The telephone or mailbox.
    pub(super) whose: &'a str,
    pub(super) ours: &'a str,
    pub(super) subject: Option<&'a str>,
    pub(super) text: &'a str,
    pub(super) at: DateTime<Utc>,
    pub(super) history: Vec<Status>,
}

impl<'a> Line<'a> {
    fn received(effect: &'a Effect) -> Self {
        Self {
            number: effect.number,
            provider: effect.provider,
            channel: effect.channel,
            is_answer: false,
            whose: effect.to.expose(),
            ours: effect.from.expose(),
            subject: effect.subject.as_ref().map(|subject| subject.expose()),
            text: effect.text.expose(),
            at: effect.accepted_at,
            history: effect
                .history
                .iter()
                .map(|passed| passed.status)
                .filter(|status| is_seen(effect.channel, *status))
                .collect(),
        }
    }

    fn answered(replied: &'a Replied) -> Self {
        Self {
            number: replied.number,
            provider: replied.provider,
            channel: replied.channel,
            is_answer: true,
            whose: replied.from.expose(),
            ours: replied.to.expose(),
            subject: replied.subject.as_ref().map(|subject| subject.expose()),
            text: replied.text.expose(),
            at: replied.at,
            history: Vec::new(),
        }
    }
}

/// Whether that can be seen to happen to a message of this channel. One script may be for all channels.
const fn is_seen(channel: Channel, status: Status) -> bool {
    match status {
        Status::Opened | Status::Clicked | Status::Complained | Status::Unsubscribed => {
            matches!(channel, Channel::Email)
        }
        Status::Read => matches!(channel, Channel::Whatsapp),
        Status::Queued
        | Status::Sent
        | Status::Delayed
        | Status::Delivered
        | Status::Undelivered
        | Status::Failed
        | Status::Bounced
        | Status::Dropped => true,
    }
}

/// The messages that were chosen, newest first.
pub(super) fn lines<'a>(ledger: &'a Ledger, choice: &Choice) -> Vec<Line<'a>> {
    let is_chosen = |whose: &str| choice.whose.as_deref().is_none_or(|chosen| chosen == whose);
    let received = messages(ledger).rev().filter(|effect| is_chosen(effect.to.expose()));
    let answered = ledger
        .replies()
        .rev()
        .filter(|replied| is_chosen(replied.from.expose()));
    let mut lines: Vec<_> = received.take(LINES_MAX).map(Line::received).collect();
    lines.extend(answered.take(LINES_MAX).map(Line::answered));
    lines.sort_by_key(|line| std::cmp::Reverse(line.number));
    lines.truncate(LINES_MAX);
    lines
}

/// Every telephone and mailbox, and how many messages it received.
pub(super) fn boxes(ledger: &Ledger) -> BTreeMap<&str, usize> {
    let mut boxes = BTreeMap::new();
    for effect in messages(ledger) {
        *boxes.entry(effect.to.expose()).or_default() += 1;
    }
    boxes
}

/// A number that was bought received nothing.
fn messages(ledger: &Ledger) -> impl DoubleEndedIterator<Item = &Effect> {
    ledger.effects().filter(|effect| effect.channel != Channel::Number)
}

//! What really happened: the truth that a test compares everything else with.

mod effect;
mod load;
mod told;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::provider::Provider;
use crate::recent::Recent;
use crate::settings::Limits;

pub(crate) use effect::{Draft, cut, sha256};
pub use effect::{Effect, Passed, TEXT_BYTES_MAX};
pub use load::Load;
pub use told::{Answer, Proof, Received, Replied, Told};

/// All that was accepted, told and received, as far back as it is kept.
#[derive(Clone, Debug, Serialize)]
pub struct Ledger {
    effects: Recent<Effect>,
    told: Recent<Told>,
    replies: Recent<Replied>,
    received: Recent<Received>,
    #[serde(serialize_with = "as_list")]
    loads: BTreeMap<(Provider, String), Load>,
    pending: usize,
    untold: u64,
    #[serde(skip)]
    numbers: u64,
    #[serde(skip)]
    starts_max: usize,
}

impl Ledger {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            effects: Recent::new(limits.messages),
            told: Recent::new(limits.callbacks),
            replies: Recent::new(limits.messages),
            received: Recent::new(limits.messages),
            loads: BTreeMap::new(),
            pending: 0,
            untold: 0,
            numbers: 0,
            starts_max: limits.starts,
        }
    }

    /// What was accepted, oldest first.
    pub fn effects(&self) -> impl DoubleEndedIterator<Item = &Effect> + ExactSizeIterator {
        self.effects.iter()
    }

    /// What was accepted for this recipient, oldest first.
    pub fn effects_to(&self, recipient: &str) -> impl DoubleEndedIterator<Item = &Effect> {
        self.effects().filter(move |effect| effect.to.expose() == recipient)
    }

    /// Every attempt to tell something, oldest first.
    pub fn told(&self) -> impl DoubleEndedIterator<Item = &Told> + ExactSizeIterator {
        self.told.iter()
    }

    /// What telephones and mailboxes wrote, oldest first.
    pub fn replies(&self) -> impl DoubleEndedIterator<Item = &Replied> + ExactSizeIterator {
        self.replies.iter()
    }

    /// The webhooks that were received, oldest first.
    pub fn received(&self) -> impl DoubleEndedIterator<Item = &Received> + ExactSizeIterator {
        self.received.iter()
    }

    /// How hard an account was used. None if it never was.
    #[must_use]
    pub fn load(&self, provider: Provider, account: &str) -> Option<&Load> {
        self.loads.get(&(provider, account.to_owned()))
    }

    /// How many messages, batches and repetitions have still something to tell.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// How much was never told because too much was pending.
    #[must_use]
    pub fn untold(&self) -> u64 {
        self.untold
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Returns the number that it got.
    pub(crate) fn accept(&mut self, draft: Draft<'_>, now: DateTime<Utc>) -> u64 {
        let number = self.next_number();
        self.effects.push(draft.accept(number, now));
        number
    }

    pub(crate) fn effect(&self, number: u64) -> Option<&Effect> {
        self.effects.by_number(number, |effect| effect.number)
    }

    pub(crate) fn effect_mut(&mut self, number: u64) -> Option<&mut Effect> {
        self.effects.by_number_mut(number, |effect| effect.number)
    }

    /// Counts that what `key` stands for was asked for once more.
    pub(crate) fn see_again(&mut self, provider: Provider, account: &str, key: &str) {
        for effect in self.effects.iter_mut() {
            let same = effect.provider == provider && effect.account == account;
            if same && effect.idempotency_key.as_deref() == Some(key) {
                effect.seen += 1;
            }
        }
    }

    pub(crate) fn tell(&mut self, told: Told) {
        self.told.push(told);
    }

    pub(crate) fn reply(&mut self, replied: Replied) {
        self.replies.push(replied);
    }

    pub(crate) fn receive(&mut self, received: Received) {
        self.received.push(received);
    }

    pub(crate) fn begin(&mut self, provider: Provider, account: &str, at: Duration) {
        let load = self.loads.entry((provider, account.to_owned()));
        load.or_insert_with(|| Load::new(self.starts_max)).begin(at);
    }

    pub(crate) fn end(&mut self, provider: Provider, account: &str) {
        if let Some(load) = self.loads.get_mut(&(provider, account.to_owned())) {
            load.in_flight = load.in_flight.saturating_sub(1);
        }
    }

    pub(crate) fn add_pending(&mut self) {
        self.pending += 1;
    }

    pub(crate) fn end_pending(&mut self) {
        self.pending = self.pending.saturating_sub(1);
    }

    pub(crate) fn leave_untold(&mut self) {
        self.untold += 1;
    }

    /// Forgets everything but the numbers, which go on.
    pub(crate) fn clear(&mut self) {
        self.effects.clear();
        self.told.clear();
        self.replies.clear();
        self.received.clear();
        self.loads.clear();
        self.pending = 0;
        self.untold = 0;
    }
}

fn as_list<S: Serializer>(loads: &BTreeMap<(Provider, String), Load>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Shown<'a> {
        provider: Provider,
        account: &'a str,
        #[serde(flatten)]
        load: &'a Load,
    }
    serializer.collect_seq(loads.iter().map(|((provider, account), load)| Shown {
        provider: *provider,
        account,
        load,
    }))
}

//! Compares what was promised with what the providers and the store say: pure, so that it can be shown to find faults.

mod events;
mod limits;
mod sends;
mod texts;
mod times;

use std::collections::{BTreeMap, HashMap};

use queue::JobId;
use serde::Serialize;
use uuid::Uuid;

use crate::book::{Pages, What, Wish, Yes};
use crate::facts::Facts;
use crate::kept::{Kept, Whereabouts};
use crate::limits::Seen;
use crate::storm::Happened;
use events::Events;
pub(crate) use limits::Limits;
use sends::Sends;
use texts::Texts;
use times::{Recovery, recoveries};

/// Examples of what went wrong that are shown.
const EXAMPLES_MAX: usize = 10;

/// Everything that is compared.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) pages: Pages,
    pub(crate) facts: Facts,
    pub(crate) kept: Kept,
    /// How often each mark was accepted outside.
    pub(crate) effects: HashMap<String, u64>,
    pub(crate) happened: Vec<Happened>,
    pub(crate) tenant: Uuid,
    /// What happened to processes that should not have.
    pub(crate) findings: Vec<String>,
    /// Whether every job came to an end.
    pub(crate) drained: bool,
    /// What was seen of an account that was limited.
    pub(crate) limited: Option<Seen>,
    /// Whether a dead letter is a fault.
    pub(crate) no_dead: bool,
}

/// What came out.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    pub(crate) events: Events,
    pub(crate) sends: Sends,
    pub(crate) texts: Texts,
    /// Of an account that was limited.
    pub(crate) limits: Option<Limits>,
    /// Asked for and never promised, although callers went on asking after all faults had ended.
    pub(crate) never_promised: u64,
    /// Turned down for good: a caller would not come back.
    pub(crate) turned_down: u64,
    /// Promised as something new twice, or under another id than before.
    pub(crate) promised_twice: u64,
    /// Promised while nothing could be kept.
    pub(crate) false_2xx: u64,
    /// Finishes of workers that had lost their lease.
    pub(crate) stale_finishes_refused: u64,
    pub(crate) crashes: u64,
    pub(crate) dead_letters: BTreeMap<String, u64>,
    pub(crate) drained: bool,
    pub(crate) answers: BTreeMap<String, u64>,
    pub(crate) recovery: BTreeMap<String, Recovery>,
    pub(crate) findings: Vec<String>,
    /// Some of what is wrong, in words.
    pub(crate) examples: Vec<String>,
    pub(crate) good: bool,
}

/// Adds up what is wrong and keeps some examples.
#[derive(Debug, Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn say(&mut self, what: impl FnOnce() -> String) {
        if self.0.len() < EXAMPLES_MAX {
            self.0.push(what());
        }
    }
}

/// Compares everything with everything.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let Evidence { pages, kept, .. } = evidence;
    let mut wrong = Wrong::default();
    let count = |is: &dyn Fn(&Wish) -> bool| pages.wishes.iter().filter(|wish| is(wish)).count() as u64;
    let counted = |name: &str| kept.counted.get(name).copied().unwrap_or_default();
    for wish in &pages.wishes {
        if let Some(status) = wish.refused {
            wrong.say(|| format!("turned down for good with {status}: {:?}", wish.what));
        } else if wish.promised_at.is_none() {
            wrong.say(|| format!("never promised: {:?}", wish.what));
        } else if wish.new > 1 || wish.changed {
            wrong.say(|| format!("promised twice: {wish:?}"));
        }
    }
    let mut verdict = Verdict {
        events: events::judge(evidence, &mut wrong),
        sends: sends::judge(evidence, &mut wrong),
        texts: texts::judge(evidence, &mut wrong),
        limits: evidence.limited.as_ref().map(|seen| limits::judge(seen, &mut wrong)),
        never_promised: count(&|wish| wish.promised_at.is_none() && wish.refused.is_none()),
        turned_down: count(&|wish| wish.refused.is_some()),
        promised_twice: count(&|wish| wish.new > 1 || wish.changed),
        false_2xx: false_2xx(&pages.yes, &evidence.happened, &mut wrong),
        stale_finishes_refused: counted("stale"),
        crashes: counted("crashed"),
        dead_letters: kept.dead_by_reason.clone(),
        drained: evidence.drained,
        answers: pages.answers.clone(),
        recovery: recoveries(evidence),
        findings: evidence.findings.clone(),
        examples: Vec::new(),
        good: false,
    };
    verdict.examples = wrong.0;
    verdict.good = verdict.is_good(evidence.no_dead);
    verdict
}

impl Verdict {
    fn is_good(&self, no_dead: bool) -> bool {
        let wrong = [
            self.events.wrong(),
            self.sends.wrong(),
            self.texts.wrong(),
            self.limits.as_ref().map_or(0, |limits| limits.broken),
            self.never_promised,
            self.turned_down,
            self.promised_twice,
            self.false_2xx,
        ];
        let dead: u64 = self.dead_letters.values().sum();
        let promised = self.events.promised + self.sends.promised + self.texts.promised > 0;
        wrong.iter().all(|count| *count == 0)
            && self.drained
            && self.findings.is_empty()
            && promised
            && !(no_dead && dead > 0)
    }
}

/// Whatever new was asked and answered wholly while nothing could be kept.
fn false_2xx(yes: &[Yes], happened: &[Happened], wrong: &mut Wrong) -> u64 {
    let within = |yes: &Yes, fault: &Happened| yes.new && yes.asked_at > fault.from && yes.heard_at < fault.to;
    let gone: Vec<_> = happened.iter().filter(|fault| fault.no_queue).collect();
    let mut count = 0;
    for yes in yes {
        if let Some(fault) = gone.iter().find(|fault| within(yes, fault)) {
            let (after, took) = (yes.asked_at - fault.from, yes.heard_at - yes.asked_at);
            wrong.say(|| {
                format!(
                    "a false 2xx: asked {after} ms into {:?}, heard after {took} ms",
                    fault.fault
                )
            });
            count += 1;
        }
    }
    count
}

/// Where the job of a wish is, as far as the queue knows.
fn whereabouts(evidence: &Evidence, wish: &Wish) -> Whereabouts {
    wish.job
        .map_or(Whereabouts::Gone, |job| evidence.kept.state(JobId(job)))
}

/// All wishes of one sort.
fn wishes<'a, T: 'a>(
    pages: &'a Pages,
    pick: impl Fn(&'a What) -> Option<&'a T>,
) -> impl Iterator<Item = (&'a Wish, &'a T)> {
    pages
        .wishes
        .iter()
        .filter_map(move |wish| Some((wish, pick(&wish.what)?)))
}

#[cfg(test)]
mod tests;

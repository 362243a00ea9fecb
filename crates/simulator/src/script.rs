//! What becomes of a message after it was accepted, and what of it is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dice::Roll;
use crate::fault::{HOLD_MS_MAX, ms};
use crate::provider::Provider;
use crate::selector::Selector;
use crate::unusable::Unusable;

/// At most so many things happen to a message.
pub const STEPS_MAX: usize = 32;
/// At most so many scripts are set at once.
pub const SCRIPTS_MAX: usize = 1_000;

/// How far a message came, in one word for all providers. Each tells it in its own word, or not at all: nobody reports
/// that a text message was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Status {
    Queued,
    Sent,
    /// The other side did not take it yet.
    Delayed,
    Delivered,
    /// By the channel's own receipt.
    Read,
    /// By a picture in a mail.
    Opened,
    /// By a link in a mail.
    Clicked,
    /// Handed on, but it may have been a bad moment.
    Undelivered,
    /// The provider could not send it.
    Failed,
    /// The other side refused it for good.
    Bounced,
    /// The provider would not send it.
    Dropped,
    Complained,
    Unsubscribed,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What.
    pub status: Status,
    /// So long after the step before, or after the message was accepted.
    #[serde(default)]
    pub after_ms: u64,
    /// Why, in the provider's code: `30003`, `63016`, `5.1.1`, `MailboxFull`, `noAccount`. A usual one when not given.
    #[serde(default)]
    pub code: Option<String>,
}

/// What happens to a message, and how well it is told.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// What happens, in this order.
    pub steps: Vec<Step>,
    /// What share of the steps is told twice, from 0 to 1.
    pub duplicates: f64,
    /// What share of the steps is told only after the next one, from 0 to 1.
    pub reorder: f64,
    /// What share of the steps is never told, from 0 to 1.
    pub drops: f64,
}

impl Script {
    /// These steps, one directly after another.
    #[must_use]
    pub fn of(steps: impl IntoIterator<Item = Status>) -> Self {
        let step = |status| Step {
            status,
            after_ms: 0,
            code: None,
        };
        Self {
            steps: steps.into_iter().map(step).collect(),
            ..Self::default()
        }
    }

    /// All goes well: queued, sent, delivered.
    #[must_use]
    pub fn delivered() -> Self {
        Self::of([Status::Queued, Status::Sent, Status::Delivered])
    }

    /// All goes well and somebody is interested: read by telephone; opened and clicked by mail.
    #[must_use]
    pub fn engaged() -> Self {
        use Status::{Clicked, Delivered, Opened, Queued, Read, Sent};
        Self::of([Queued, Sent, Delivered, Read, Opened, Clicked])
    }

    /// Refused for good: `Bounced` for mail, which telephones report as undelivered.
    #[must_use]
    pub fn bounced() -> Self {
        Self::of([Status::Queued, Status::Sent, Status::Bounced])
    }

    /// Nothing is ever heard of the message.
    #[must_use]
    pub fn silent() -> Self {
        Self::default()
    }

    /// The same with so much time before each step.
    #[must_use]
    pub fn paced(mut self, after: Duration) -> Self {
        for step in &mut self.steps {
            step.after_ms = after.as_millis().try_into().unwrap_or(u64::MAX);
        }
        self
    }

    /// The same with `code` as the reason of the last step.
    #[must_use]
    pub fn because(mut self, code: &str) -> Self {
        if let Some(step) = self.steps.last_mut() {
            step.code = Some(code.to_owned());
        }
        self
    }

    pub(crate) fn check(&self) -> Result<(), Unusable> {
        if self.steps.len() > STEPS_MAX {
            return Err(Unusable("a script has at most 32 steps"));
        }
        if self.steps.iter().any(|step| step.after_ms > HOLD_MS_MAX) {
            return Err(Unusable("after_ms is too large"));
        }
        let shares = [self.duplicates, self.reorder, self.drops];
        if !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
            return Err(Unusable("duplicates, reorder and drops are from 0 to 1"));
        }
        Ok(())
    }

    /// Decides when what happens and when it is told.
    pub(crate) fn plan(&self, roll: &mut Roll) -> Vec<Planned> {
        let mut at = Duration::ZERO;
        let happens = self.steps.iter().enumerate().map(|(place, step)| {
            at += ms(step.after_ms);
            Planned {
                place,
                step: step.clone(),
                happens: at,
                told: at,
                copies: if roll.chance(self.drops) {
                    0
                } else {
                    1 + u8::from(roll.chance(self.duplicates))
                },
            }
        });
        let mut plan: Vec<Planned> = happens.collect();
        let mut first = 0;
        while first + 1 < plan.len() {
            if roll.chance(self.reorder) {
                plan.swap(first, first + 1);
                plan[first + 1].told = plan[first].told;
                first += 1;
            }
            first += 1;
        }
        plan
    }
}

/// One step of one message, in the order of telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Which step of the script it is.
    pub(crate) place: usize,
    pub(crate) step: Step,
    /// So long after the message was accepted.
    pub(crate) happens: Duration,
    /// The same, for the telling: never before.
    pub(crate) told: Duration,
    /// How often it is told.
    pub(crate) copies: u8,
}

/// All scripts that are set. The one set last goes first.
#[derive(Debug)]
pub(crate) struct Scripts {
    usual: Script,
    rules: Vec<(Selector, Script)>,
}

impl Scripts {
    pub(crate) fn new(usual: Script) -> Self {
        Self {
            usual,
            rules: Vec::new(),
        }
    }

    pub(crate) fn set(&mut self, selector: Selector, script: Script) -> Result<(), Unusable> {
        script.check()?;
        self.rules.retain(|(other, _)| *other != selector);
        if self.rules.len() >= SCRIPTS_MAX {
            return Err(Unusable("so many scripts cannot be set at once"));
        }
        self.rules.push((selector, script));
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn find(&self, provider: Provider, recipient: &str) -> &Script {
        let mut rules = self.rules.iter().rev();
        let found = rules.find(|(selector, _)| selector.fits(provider, recipient));
        found.map_or(&self.usual, |(_, script)| script)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::dice::Dice;

    fn told(script: &Script) -> Vec<(Status, u64, u8)> {
        let plan = script.plan(&mut Dice::new(1).roll(&[b"x"]));
        let told = |step: &Planned| (step.step.status, step.told.as_millis() as u64, step.copies);
        plan.iter().map(told).collect()
    }

    #[test]
    fn steps_happen_and_are_told_in_order_unless_said_otherwise() {
        use Status::{Delivered, Queued, Sent};
        let script = Script::delivered().paced(ms(10));
        assert_eq!(told(&script), [(Queued, 10, 1), (Sent, 20, 1), (Delivered, 30, 1)]);
    }

    #[test]
    fn a_late_step_is_told_with_the_next_one_and_never_before_it_happened() {
        use Status::{Delivered, Queued, Sent};
        let script = Script {
            reorder: 1.0,
            duplicates: 1.0,
            ..Script::delivered().paced(ms(10))
        };
        assert_eq!(told(&script), [(Sent, 20, 2), (Queued, 20, 2), (Delivered, 30, 2)]);
        let silent = Script { drops: 1.0, ..script };
        assert!(told(&silent).iter().all(|(_, _, copies)| *copies == 0));
    }

    #[test]
    fn the_script_set_last_counts_and_the_usual_one_for_everybody_else() {
        let mut scripts = Scripts::new(Script::delivered());
        let to_ana = Selector::all().to("ana@*");
        scripts.set(to_ana.clone(), Script::silent()).unwrap();
        scripts.set(to_ana, Script::bounced()).unwrap();
        assert_eq!(*scripts.find(Provider::Smtp, "ana@example.com"), Script::bounced());
        assert_eq!(*scripts.find(Provider::Smtp, "bob@example.com"), Script::delivered());
        assert_eq!(scripts.rules.len(), 1);
    }

    #[test]
    fn a_script_is_read_from_json_and_an_impossible_one_is_refused() {
        let text = r#"{"steps":[{"status":"sent"},{"status":"bounced","after_ms":5,"code":"5.1.1"}],"drops":0.5}"#;
        let script: Script = serde_json::from_str(text).unwrap();
        assert_eq!(script.steps[1].code.as_deref(), Some("5.1.1"));
        let impossible = Script { drops: 2.0, ..script };
        assert!(impossible.check().is_err());
        assert!(Script::of([Status::Sent; STEPS_MAX + 1]).check().is_err());
    }
}

//! Misbehaviour on demand.

use std::time::Duration;

use serde::Deserialize;

use crate::dice::Dice;
use crate::provider::Provider;
use crate::selector::Selector;
use crate::unusable::Unusable;

/// At most so many faults are set at once.
pub const FAULTS_MAX: usize = 1_000;
/// The longest that a fault holds anything up.
pub const HOLD_MS_MAX: u64 = 10 * 60 * 1_000;

/// What goes wrong, with which calls, how often.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// With which calls.
    #[serde(default, rename = "for")]
    pub selector: Selector,
    /// What.
    pub does: Misbehaviour,
    /// With what share of these calls, from 0 to 1. All of them when not given.
    #[serde(default = "always")]
    pub rate: f64,
    /// With so many calls only, then no more.
    #[serde(default)]
    pub times: Option<u32>,
    /// With calls that ask what became of a message, instead of those that send one.
    #[serde(default)]
    pub lookups: bool,
}

const fn always() -> f64 {
    1.0
}

/// What can go wrong with a call.
///
/// *Executed* means that the recipient gets the message, whatever the caller hears about it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Misbehaviour {
    /// 429 with how long to wait. Not executed.
    TooManyRequests {
        /// What the answer says, each provider in its own way.
        retry_after_seconds: u64,
    },
    /// A fault of the server: 500, 502, 503.
    ServerError {
        /// The status.
        status: u16,
        /// Whether it happened after the message was sent.
        #[serde(default)]
        executed: bool,
    },
    /// The request is refused with the provider's code for it. Not executed.
    Refuse {
        /// The status: 400, 403; for SMTP a reply code, 550.
        status: u16,
        /// The provider's code: `21610`, `validation_error`, `5.1.1`.
        code: String,
    },
    /// Nothing is done for so long, then all as usual. Who goes away before has sent nothing.
    Hang {
        /// How long.
        ms: u64,
    },
    /// Executed at once, answered so much later.
    Slow {
        /// How much.
        ms: u64,
    },
    /// Never executed, never answered; the connection stays open.
    Silent,
    /// Executed, then the connection is closed without a byte of an answer.
    LostAnswer,
    /// Executed, then the connection is closed amid the answer.
    HalfAnswer,
    /// Executed and answered with the right status, but the body is not what it should be.
    Garbage,
}

impl Misbehaviour {
    /// Whether it turns the request down before anything is done.
    pub(crate) const fn refuses(&self) -> bool {
        matches!(
            self,
            Self::TooManyRequests { .. } | Self::ServerError { executed: false, .. } | Self::Refuse { .. }
        )
    }

    fn check(&self) -> Result<(), Unusable> {
        match *self {
            Self::Hang { ms } | Self::Slow { ms } if ms > HOLD_MS_MAX => Err(Unusable("ms is too large")),
            Self::ServerError { status, .. } if !(500..600).contains(&status) => {
                Err(Unusable("status of a server error is from 500 to 599"))
            }
            Self::Refuse { status, .. } if !(400..600).contains(&status) => {
                Err(Unusable("status of a refusal is from 400 to 599"))
            }
            _ => Ok(()),
        }
    }
}

impl From<Misbehaviour> for Fault {
    /// Of every call.
    fn from(does: Misbehaviour) -> Self {
        Self {
            selector: Selector::all(),
            does,
            rate: always(),
            times: None,
            lookups: false,
        }
    }
}

impl Fault {
    /// Only of the calls that `selector` fits.
    #[must_use]
    pub fn with(self, selector: Selector) -> Self {
        Self { selector, ..self }
    }

    /// Only of this share of them, from 0 to 1.
    #[must_use]
    pub fn at_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// Only of the first so many.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// Of calls that ask what became of a message, instead of those that send one.
    #[must_use]
    pub fn of_lookups(self) -> Self {
        Self { lookups: true, ..self }
    }

    fn check(&self) -> Result<(), Unusable> {
        if !(0.0..=1.0).contains(&self.rate) {
            return Err(Unusable("rate is from 0 to 1"));
        }
        self.does.check()
    }
}

/// All faults that are set. The one set first goes first.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) -> Result<(), Unusable> {
        fault.check()?;
        self.0.retain(|fault| fault.times != Some(0));
        if self.0.len() >= FAULTS_MAX {
            return Err(Unusable("so many faults cannot be set at once"));
        }
        self.0.push(fault);
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong with this call, if anything: the first fault that is of the `wanted` kind, fits and comes up.
    pub(crate) fn pick(
        &mut self,
        dice: &mut Dice,
        call: &Called<'_>,
        wanted: fn(&Misbehaviour) -> bool,
    ) -> Option<Misbehaviour> {
        for (place, fault) in self.0.iter_mut().enumerate() {
            let meant = fault.lookups == call.is_lookup && wanted(&fault.does);
            if fault.times == Some(0) || !meant || !fault.selector.fits(call.provider, call.recipient) {
                continue;
            }
            let provider = call.provider.as_str().as_bytes();
            let about: [&[u8]; 4] = [b"fault", &place.to_be_bytes(), provider, call.fingerprint];
            if fault.rate >= 1.0 || dice.roll(&about).chance(fault.rate) {
                fault.times = fault.times.map(|times| times - 1);
                return Some(fault.does.clone());
            }
        }
        None
    }
}

/// A call as far as a fault may depend on it.
#[derive(Clone, Copy)]
pub(crate) struct Called<'a> {
    pub(crate) provider: Provider,
    pub(crate) recipient: &'a str,
    /// What tells this call from others.
    pub(crate) fingerprint: &'a [u8],
    /// Whether it asks what became of a message.
    pub(crate) is_lookup: bool,
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn pick(faults: &mut Faults, provider: Provider, recipient: &str, body: u32) -> Option<Misbehaviour> {
        let call = Called {
            provider,
            recipient,
            fingerprint: &body.to_be_bytes(),
            is_lookup: false,
        };
        faults.pick(&mut Dice::new(1), &call, |_| true)
    }

    #[test]
    fn a_fault_concerns_whom_it_is_for_and_as_many_calls_as_it_says() {
        let mut faults = Faults::default();
        let to_ana = Selector::provider(Provider::Resend).to("ana@*");
        faults
            .add(Fault::from(Misbehaviour::Silent).with(to_ana).times(2))
            .unwrap();
        assert_eq!(pick(&mut faults, Provider::Resend, "bob@example.com", 1), None);
        assert_eq!(pick(&mut faults, Provider::SendGrid, "ana@example.com", 1), None);
        for expected in [Some(Misbehaviour::Silent), Some(Misbehaviour::Silent), None] {
            assert_eq!(pick(&mut faults, Provider::Resend, "ana@example.com", 1), expected);
        }
    }

    #[test]
    fn a_rate_hits_the_same_calls_in_every_run() {
        let hit = || {
            let mut faults = Faults::default();
            faults.add(Fault::from(Misbehaviour::LostAnswer).at_rate(0.3)).unwrap();
            (0..100)
                .map(|body| pick(&mut faults, Provider::Twilio, "x", body).is_some())
                .collect::<Vec<_>>()
        };
        let first = hit();
        assert_eq!(first, hit());
        assert!(first.contains(&true) && first.contains(&false));
    }

    #[test]
    fn a_fault_is_read_from_json_and_an_impossible_one_is_refused() {
        let text = r#"{"for":{"provider":"twilio","recipient":"+1*"},"does":{"kind":"too_many_requests","retry_after_seconds":2},"rate":0.5}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        let expected = Fault::from(Misbehaviour::TooManyRequests { retry_after_seconds: 2 })
            .with(Selector::provider(Provider::Twilio).to("+1*"))
            .at_rate(0.5);
        assert_eq!(fault, expected);
        let mut faults = Faults::default();
        for odd in [
            r#"{"does":{"kind":"silent"},"rate":1.5}"#,
            r#"{"does":{"kind":"hang","ms":99999999}}"#,
            r#"{"does":{"kind":"server_error","status":200}}"#,
        ] {
            assert!(faults.add(serde_json::from_str(odd).unwrap()).is_err(), "{odd}");
        }
        assert!(serde_json::from_str::<Fault>(r#"{"does":{"kind":"hang","seconds":1}}"#).is_err());
    }
}

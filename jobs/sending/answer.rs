//! What a provider's answer means: the one table.
//!
//! | failure | attempt | circuit | then, if another account is left | else |
//! |---|---|---|---|---|
//! | `RateLimited` | not sent | | the account's whole lane waits; a code goes by the other account | the lane waits |
//! | `Deferred` | not sent | | this message waits | this message waits |
//! | `Unreachable` | not sent | failed | again after the back-off, by the other one once the circuit is open | again |
//! | `Unclear` | unclear | failed | found out at the next run | the same |
//! | `Unauthorized` | not sent | failed | the other account | again, until somebody has replaced the credentials |
//! | `Rejected`: `Recipient`, `OptedOut`, `Mailbox`, `Content` | rejected | works | failed for good: others would refuse it too | failed |
//! | `Rejected`: `Configuration` | not sent | | the other account | dead letter: a person has to look at the account |
//! | `Rejected`: `Quota` | not sent | failed | the other account | again |
//! | `Rejected`: `Unknown` | rejected | works | the other account | failed for good |

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::outgoing::AttemptResult;
use domain::{FailureCause, MessageClass};
use providers::{Class, Failure, SendError};

/// How long an account is left alone that is rate limited and does not say for how long.
const RATE_LIMITED_USUALLY: Duration = Duration::from_secs(10);

/// What is to be done after a provider's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// All messages of this account wait: `RetryAfter`.
    Cool(Duration),
    /// This message waits: `Snooze`.
    Hold(Duration),
    /// After the back-off: `Retry`.
    Again,
    /// By the next account; what follows if there is none.
    Elsewhere(OrElse),
    /// No provider would take it: the message has failed.
    Fail,
}

/// What follows if no account is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrElse {
    /// After the back-off.
    Again,
    /// The account's whole lane waits.
    Cool(Duration),
    /// The message has failed.
    Fail,
    /// A dead letter, for a person to look at.
    Dead,
}

/// What a call says about the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// It works.
    Works,
    /// It does not.
    Fails,
    /// Nothing.
    Nothing,
}

/// One row of the table, for one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) result: AttemptResult,
    pub(super) account: Says,
    pub(super) then: Then,
}

/// What `error` means for a message of this class.
pub(super) fn meaning(error: &SendError, class: MessageClass, now: DateTime<Utc>) -> Meaning {
    let code = error.code.to_string();
    let not_sent = AttemptResult::NotSent { code: code.clone() };
    let rejected = |cause| AttemptResult::Rejected {
        code: code.clone(),
        cause,
    };
    let wait = error.until.map(|until| span(until - now));
    let row = |result, account, then| Meaning { result, account, then };
    match error.failure {
        Failure::RateLimited => {
            let wait = wait.unwrap_or(RATE_LIMITED_USUALLY);
            let then = match class {
                MessageClass::Code => Then::Elsewhere(OrElse::Cool(wait)),
                _ => Then::Cool(wait),
            };
            row(not_sent, Says::Nothing, then)
        }
        Failure::Deferred => row(not_sent, Says::Nothing, wait.map_or(Then::Again, Then::Hold)),
        Failure::Unreachable => row(not_sent, Says::Fails, Then::Again),
        Failure::Unclear => row(AttemptResult::Unclear { code }, Says::Fails, Then::Again),
        Failure::Unauthorized => row(not_sent, Says::Fails, Then::Elsewhere(OrElse::Again)),
        Failure::Rejected(Class::Recipient) => row(rejected(FailureCause::NoSuchRecipient), Says::Works, Then::Fail),
        Failure::Rejected(Class::OptedOut) => row(rejected(FailureCause::OptedOut), Says::Works, Then::Fail),
        Failure::Rejected(Class::Mailbox) => row(rejected(FailureCause::Passing), Says::Works, Then::Fail),
        Failure::Rejected(Class::Content) => row(rejected(FailureCause::Other), Says::Works, Then::Fail),
        // Not the circuit: a request that names a wrong sender must not stop everybody else's messages.
        Failure::Rejected(Class::Configuration) => row(not_sent, Says::Nothing, Then::Elsewhere(OrElse::Dead)),
        Failure::Rejected(Class::Quota) => row(not_sent, Says::Fails, Then::Elsewhere(OrElse::Again)),
        Failure::Rejected(Class::Unknown) => row(
            rejected(FailureCause::Other),
            Says::Works,
            Then::Elsewhere(OrElse::Fail),
        ),
    }
}

/// A span that a job can wait; at least a moment, so that nothing spins.
pub(crate) fn span(delta: TimeDelta) -> Duration {
    delta.to_std().unwrap_or_default().max(Duration::from_millis(100))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn check(failure: Failure, class: MessageClass, state: &str, account: Says, then: Then) {
        let error = SendError {
            failure,
            code: Cow::Borrowed("1"),
            detail: "what happened",
            until: None,
            excerpt: None,
        };
        let found = meaning(&error, class, DateTime::UNIX_EPOCH);
        assert_eq!(
            (found.result.state().as_str(), found.account, found.then),
            (state, account, then),
            "{failure:?}"
        );
    }

    /// The table above, row by row.
    #[test]
    fn every_failure_means_what_the_table_says() {
        use MessageClass::{Code, Transactional};
        let cool = RATE_LIMITED_USUALLY;
        check(
            Failure::RateLimited,
            Transactional,
            "not_sent",
            Says::Nothing,
            Then::Cool(cool),
        );
        let code = Then::Elsewhere(OrElse::Cool(cool));
        check(Failure::RateLimited, Code, "not_sent", Says::Nothing, code);
        check(Failure::Deferred, Transactional, "not_sent", Says::Nothing, Then::Again);
        check(
            Failure::Unreachable,
            Transactional,
            "not_sent",
            Says::Fails,
            Then::Again,
        );
        check(Failure::Unclear, Transactional, "unclear", Says::Fails, Then::Again);
        let elsewhere = Then::Elsewhere(OrElse::Again);
        check(Failure::Unauthorized, Transactional, "not_sent", Says::Fails, elsewhere);
        for (class, state, account, then) in [
            (Class::Recipient, "rejected", Says::Works, Then::Fail),
            (Class::OptedOut, "rejected", Says::Works, Then::Fail),
            (Class::Mailbox, "rejected", Says::Works, Then::Fail),
            (Class::Content, "rejected", Says::Works, Then::Fail),
            (
                Class::Configuration,
                "not_sent",
                Says::Nothing,
                Then::Elsewhere(OrElse::Dead),
            ),
            (Class::Quota, "not_sent", Says::Fails, elsewhere),
            (Class::Unknown, "rejected", Says::Works, Then::Elsewhere(OrElse::Fail)),
        ] {
            check(Failure::Rejected(class), Transactional, state, account, then);
        }
    }

    #[test]
    fn what_the_provider_named_is_waited_for() {
        let now = DateTime::UNIX_EPOCH;
        let error = |failure| SendError {
            failure,
            code: Cow::Borrowed("429"),
            detail: "too many",
            until: Some(now + TimeDelta::seconds(7)),
            excerpt: None,
        };
        let then = |failure| meaning(&error(failure), MessageClass::Transactional, now).then;
        assert_eq!(then(Failure::RateLimited), Then::Cool(Duration::from_secs(7)));
        assert_eq!(then(Failure::Deferred), Then::Hold(Duration::from_secs(7)));
    }
}

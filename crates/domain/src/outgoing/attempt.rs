//! Calls to a provider that are to send a message, and what came of them.

use crate::channel::Channel;
use crate::report::EventKind;
use crate::suppression::{FailureCause, Suppression};

stored! {
    /// What is known of one call to a provider that was to send a message.
    AttemptState {
        /// It is about to be made, or was, and nobody wrote down what came of it.
        Intended = "intended",
        /// The provider took the message.
        Sent = "sent",
        /// The provider refused the message, and would again.
        Rejected = "rejected",
        /// The message surely was not sent, and may be tried again.
        NotSent = "not_sent",
        /// Nobody knows whether it was sent.
        Unclear = "unclear",
    }
}

impl AttemptState {
    /// Whether the message may have been sent, so that sending it again may send it twice.
    #[must_use]
    pub const fn may_have_gone(self) -> bool {
        matches!(self, Self::Intended | Self::Sent | Self::Unclear)
    }

    /// Whether `next` may be written over this. What was surely sent, or surely not, stays so; that nothing is known is
    /// only ever replaced by what is known. An attempt once thought lost turns out to be sent when a report names it.
    #[must_use]
    pub const fn gives_way_to(self, next: Self) -> bool {
        match self {
            Self::Intended => !matches!(next, Self::Intended),
            Self::Unclear => matches!(next, Self::Sent | Self::Rejected | Self::NotSent),
            Self::Rejected | Self::NotSent => matches!(next, Self::Sent),
            Self::Sent => false,
        }
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The provider took the message.
    Sent {
        /// What the provider calls it.
        external_id: String,
        /// How far it came until the provider answered: accepted, sending, sent.
        kind: EventKind,
    },
    /// The provider refused the message, and would again.
    Rejected {
        /// The provider's code: `21610`, `550 5.1.1`.
        code: String,
        /// What the code says of the recipient.
        cause: FailureCause,
    },
    /// The message surely was not sent, and may be tried again.
    NotSent {
        /// The provider's code, or what stands for one: `http_503`.
        code: String,
    },
    /// Nobody knows whether it was sent.
    Unclear {
        /// What stands for the answer: `timeout`, `answer`.
        code: String,
    },
}

impl AttemptResult {
    /// The state that it leaves the attempt in.
    #[must_use]
    pub const fn state(&self) -> AttemptState {
        match self {
            Self::Sent { .. } => AttemptState::Sent,
            Self::Rejected { .. } => AttemptState::Rejected,
            Self::NotSent { .. } => AttemptState::NotSent,
            Self::Unclear { .. } => AttemptState::Unclear,
        }
    }

    /// How it shows among the message's events.
    #[must_use]
    pub const fn event(&self) -> EventKind {
        match self {
            Self::Sent { kind, .. } => *kind,
            Self::Rejected { .. } => EventKind::Rejected,
            Self::NotSent { .. } => EventKind::NotSent,
            Self::Unclear { .. } => EventKind::Unclear,
        }
    }

    /// The code of what went wrong.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Sent { .. } => None,
            Self::Rejected { code, .. } | Self::NotSent { code } | Self::Unclear { code } => Some(code),
        }
    }

    /// What it makes of the recipient of a message of this channel.
    #[must_use]
    pub const fn suppression(&self, channel: Channel) -> Option<Suppression> {
        match self {
            Self::Rejected { cause, .. } => EventKind::Failed.suppression(channel, *cause),
            _ => None,
        }
    }
}

/// Why a message that nobody was able, or allowed, to send is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageEnd {
    /// No provider took it.
    Failed {
        /// The last provider's code, or ours: `no_route`.
        code: String,
    },
    /// Its recipient is not written to.
    Suppressed(Suppression),
    /// It was taken back.
    Canceled,
    /// Its time was over.
    Expired,
}

impl MessageEnd {
    /// How it shows among the message's events.
    #[must_use]
    pub const fn event(&self) -> EventKind {
        match self {
            Self::Failed { .. } => EventKind::Failed,
            Self::Suppressed(_) => EventKind::Suppressed,
            Self::Canceled => EventKind::Canceled,
            Self::Expired => EventKind::Expired,
        }
    }

    /// The code beside it.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Failed { code } => Some(code),
            Self::Suppressed(reason) => Some(reason.as_str()),
            Self::Canceled | Self::Expired => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AttemptState::*;

    #[test]
    fn what_is_sure_stays_and_what_is_not_gives_way_to_what_is() {
        let table: Vec<(AttemptState, Vec<AttemptState>)> = AttemptState::ALL
            .iter()
            .map(|state| {
                let over = AttemptState::ALL
                    .iter()
                    .copied()
                    .filter(|next| state.gives_way_to(*next));
                (*state, over.collect())
            })
            .collect();
        assert_eq!(
            table,
            [
                (Intended, vec![Sent, Rejected, NotSent, Unclear]),
                (Sent, vec![]),
                (Rejected, vec![Sent]),
                (NotSent, vec![Sent]),
                (Unclear, vec![Sent, Rejected, NotSent]),
            ]
        );
    }

    #[test]
    fn only_a_refusal_or_a_sure_failure_leaves_no_doubt_that_nothing_went() {
        let gone: Vec<_> = AttemptState::ALL.iter().filter(|state| state.may_have_gone()).collect();
        assert_eq!(gone, [&Intended, &Sent, &Unclear]);
    }

    #[test]
    fn a_refusal_speaks_of_the_recipient_only_by_its_cause() {
        let check = |channel, cause, expected| {
            let refused = AttemptResult::Rejected {
                code: "1".into(),
                cause,
            };
            assert_eq!(refused.suppression(channel), expected, "{channel} {cause}");
        };
        check(Channel::Sms, FailureCause::OptedOut, Some(Suppression::Stop));
        check(
            Channel::Sms,
            FailureCause::NoSuchRecipient,
            Some(Suppression::HardBounce),
        );
        check(Channel::Email, FailureCause::OptedOut, Some(Suppression::Unsubscribed));
        check(
            Channel::Email,
            FailureCause::NoSuchRecipient,
            Some(Suppression::HardBounce),
        );
        for &channel in Channel::ALL {
            check(channel, FailureCause::Passing, None);
            check(channel, FailureCause::Other, None);
            let lost = AttemptResult::Unclear { code: "1".into() };
            assert_eq!(lost.suppression(channel), None);
        }
    }

    #[test]
    fn stored_words_are_what_they_always_were() {
        let words: Vec<_> = AttemptState::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(words.join(" "), "intended sent rejected not_sent unclear");
    }
}

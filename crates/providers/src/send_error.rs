//! Why something was not sent, in one form for all providers.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Days, NaiveTime, Utc};

use crate::excerpt::Excerpt;

/// What an answer, or the lack of one, means for a message.
///
/// Only [`Unclear`](Self::Unclear) leaves open whether the message was sent. After all others it surely was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The provider takes nothing from this account at present; other messages would fare alike.
    RateLimited,
    /// The provider did not take this message now and may take it later; other messages may fare better.
    Deferred,
    /// The provider will not take this message, however often it is sent.
    Rejected(Class),
    /// The provider does not take these credentials: nothing can be sent until they are replaced.
    Unauthorized,
    /// The provider was not reached, or was lost before the message was handed over.
    Unreachable,
    /// The message may have been sent: what came back, if anything, does not tell.
    Unclear,
}

/// Where the cause of a rejection lies, and so what would help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The address: nobody is reached there. It should not be tried again.
    Recipient,
    /// The recipient's mailbox: it exists and takes nothing at present, because it is full.
    Mailbox,
    /// What the message says, or its size.
    Content,
    /// The account: a sender that is not verified, a region that is not enabled. Other messages would fare alike.
    Configuration,
    /// The recipient wants no messages from this sender.
    OptedOut,
    /// What the account may send is used up, until its plan changes or begins anew.
    Quota,
    /// Not known: the provider's documentation, as we know it, does not have the code.
    Unknown,
}

/// Why a message was not sent, or may not have been.
///
/// It shows a code and a fixed sentence, and never what the provider wrote: providers repeat numbers and addresses. What
/// may be kept of that is its [`excerpt`](Self::excerpt).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail} ({code})")]
pub struct SendError {
    /// What it means for the message.
    pub failure: Failure,
    /// The provider's own code, `21610`, `550 5.1.1`, `validation_error`, or what stands for one: `http_503`.
    pub code: Cow<'static, str>,
    /// What happened.
    pub detail: &'static str,
    /// The earliest moment at which trying again is welcome, if the provider named one. Only when it was
    /// [`RateLimited`](Failure::RateLimited) or [`Deferred`](Failure::Deferred).
    pub until: Option<DateTime<Utc>>,
    /// The call, if one was made.
    pub excerpt: Option<Box<Excerpt>>,
}

/// What a documented code means: one row of a provider's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What it means for the message.
    pub failure: Failure,
    /// What happened.
    pub detail: &'static str,
}

impl Meaning {
    pub(crate) const fn new(failure: Failure, detail: &'static str) -> Self {
        Self { failure, detail }
    }

    pub(crate) fn error(self, code: impl Into<Cow<'static, str>>) -> SendError {
        SendError::new(self.failure, code, self.detail)
    }
}

impl SendError {
    pub(crate) fn new(failure: Failure, code: impl Into<Cow<'static, str>>, detail: &'static str) -> Self {
        Self {
            failure,
            code: code.into(),
            detail,
            until: None,
            excerpt: None,
        }
    }

    /// The message cannot be sent this way, which is known without asking the provider.
    pub(crate) fn rejected(class: Class, code: &'static str, detail: &'static str) -> Self {
        Self::new(Failure::Rejected(class), code, detail)
    }

    /// The answer is not one that the provider's documentation has. The message may have been sent.
    pub(crate) fn unreadable_answer() -> Self {
        Self::new(Failure::Unclear, "answer", "the provider's answer could not be read")
    }

    /// With the call that it is about.
    pub(crate) fn about(self, call: Excerpt) -> Self {
        Self {
            excerpt: Some(Box::new(call)),
            ..self
        }
    }

    /// With the moment from which on another try is welcome, where one makes sense.
    pub(crate) fn not_before(self, until: Option<DateTime<Utc>>) -> Self {
        let waits = matches!(self.failure, Failure::RateLimited | Failure::Deferred);
        Self {
            until: until.filter(|_| waits),
            ..self
        }
    }

    /// The same of a request that only read: whatever became of it, nothing was sent.
    pub(crate) fn of_reading(self) -> Self {
        match self.failure {
            Failure::Unclear => Self {
                failure: Failure::Unreachable,
                ..self
            },
            _ => self,
        }
    }

    /// Whether the message surely was not sent.
    #[must_use]
    pub const fn is_surely_unsent(&self) -> bool {
        !matches!(self.failure, Failure::Unclear)
    }
}

/// The next midnight in UTC, when daily quotas begin anew.
pub(crate) fn tomorrow(now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let day = now.date_naive().checked_add_days(Days::new(1))?;
    Some(day.and_time(NaiveTime::MIN).and_utc())
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RateLimited => "rate limited",
            Self::Deferred => "deferred",
            Self::Rejected(_) => "rejected",
            Self::Unauthorized => "unauthorized",
            Self::Unreachable => "unreachable",
            Self::Unclear => "unclear",
        })
    }
}

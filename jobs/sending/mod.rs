//! Sending: the common course of every job that makes a message leave.
//!
//! ```text
//! request ── one job, sealed ──▶ queue ──▶ run ──▶ message written down ──▶ quiet hours? ──▶ circuit? ──▶ intent written
//!                                                                                                          │
//!            next account, by a job of its own ◀── result written ◀── provider answers, or does not ◀── provider called
//! ```
//!
//! A run may end at any of these arrows, and is then begun anew. What was written before the arrow is found again:
//!
//! - before the intent: nothing left; begin anew;
//! - between intent and result: [`reconcile`] finds out whether it left, and does not send blindly;
//! - after the result: it is found, and nothing is sent;
//! - after the next account's job was added: it is added again, as a duplicate; of both jobs only one begins an attempt at
//!   a time, because the store says so in one transaction, and the other finds what that one wrote.
//!
//! What a provider's answer means stands in one table: [`answer`].

mod answer;
mod call_off;
mod compose;
mod content;
mod course;
mod files;
pub mod links;
mod otp;
mod reconcile;
mod settle;
pub mod tracking;

use std::time::Duration;

use domain::{Channel, CredentialId, MessageClass, OutgoingRecord, PersonalText};
use providers::Provider;
use queue::{Backoff, Client, Job, Origin, Policy, Queue, QueueError, Receipt};
use serde::{Deserialize, Serialize};
use store::Credential;

pub(crate) use answer::span;
pub use call_off::call_off;
pub use compose::{Uncomposable, check_sender};
pub use content::{AttachmentUrl, Content, EmailBody};
pub(crate) use course::{from_store, note, run};
pub use files::{FILES_MAX, Files};
pub use otp::code_key;

pub use crate::guard::usable as usable_file_url;
use crate::{Ctx, SendBulk, SendEmail, SendOtp, SendSms, SendWhatsapp};

/// The kinds of the jobs that send a message.
pub const KINDS: [&str; 5] = [
    SendSms::KIND,
    SendWhatsapp::KIND,
    SendEmail::KIND,
    SendOtp::KIND,
    SendBulk::KIND,
];

/// What every job that sends carries: everything, so that a run needs no request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// The message, as it is written down before anybody is called.
    pub message: OutgoingRecord,
    /// Who it comes from, in the form of its channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PersonalText>,
    /// What it says.
    pub content: Content,
    /// The accounts it may go by, in the order in which they are tried.
    pub hops: Vec<Hop>,
    /// Which of them this job is for, counted from 0.
    #[serde(default)]
    pub hop: usize,
    /// Whether it answers STOP, START or HELP. Then it goes at once, also in quiet hours, and also to who said STOP.
    #[serde(default, skip_serializing_if = "is_false")]
    pub confirms: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_false(truth: &bool) -> bool {
    !*truth
}

/// One account on a message's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Whose account.
    pub provider: Provider,
    /// What it is used with.
    pub credential: CredentialId,
}

impl Hop {
    /// The accounts of a route that carry messages of this channel, in the route's order.
    #[must_use]
    pub fn of_route(route: &[Credential], channel: Channel) -> Vec<Self> {
        let hop = |credential: &Credential| {
            let provider = Provider::sending(&credential.provider).filter(|provider| provider.carries(channel))?;
            Some(Self {
                provider,
                credential: credential.id,
            })
        };
        route.iter().filter_map(hop).collect()
    }

    /// What everything counts under that calls this account.
    #[must_use]
    pub fn limit_key(&self) -> String {
        format!("{}:{}", self.provider.as_str(), self.credential)
    }
}

/// A job that makes a message leave.
pub trait SendingJob: Job<Ctx = Ctx> {
    /// What it carries.
    fn sending(&self) -> &Sending;

    /// The same job for another account.
    fn with(&self, sending: Sending) -> Self;
}

/// A job that carries a [`Sending`] and does nothing but run it: jobs that send differ in their name, their policy and what
/// their docs say of them.
macro_rules! sending_job {
    ($(#[doc = $doc:literal])* $job:ident, $kind:literal, $policy:expr) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $job($crate::sending::Sending);

        impl $job {
            /// The job for the message's first account.
            #[must_use]
            pub const fn new(sending: $crate::sending::Sending) -> Self {
                Self(sending)
            }
        }

        impl $crate::sending::SendingJob for $job {
            fn sending(&self) -> &$crate::sending::Sending {
                &self.0
            }

            fn with(&self, sending: $crate::sending::Sending) -> Self {
                Self(sending)
            }
        }

        impl queue::Job for $job {
            type Ctx = $crate::Ctx;
            const KIND: &'static str = $kind;
            const POLICY: queue::Policy = $policy;
            const WAITS_ITSELF: bool = true;

            fn unique(&self) -> String {
                self.0.unique()
            }

            fn limit_key(&self) -> Option<String> {
                self.0.limit_key()
            }

            async fn run(self, ctx: &$crate::Ctx, attempt: &queue::Attempt) -> Result<(), queue::JobError> {
                $crate::sending::run(&self, ctx, attempt).await
            }
        }
    };
}
pub(crate) use sending_job;

/// How jobs that send are run. A provider that is away for five hours is outlasted; the time-out leaves room for the
/// slowest provider's own limit (a mail server's, 20 s), for fetching files (4 s) and for a start that was missed (0.5 s).
pub(crate) const fn policy(queue: Queue) -> Policy {
    Policy {
        queue,
        attempts: 30,
        backoff: Backoff {
            first: Duration::from_secs(2),
            cap: Duration::from_secs(15 * 60),
        },
        timeout: Duration::from_secs(25),
        expires: None,
    }
}

impl Sending {
    /// Whether it can be composed as far as can be told without its files: for the door, which says what is wrong.
    ///
    /// # Errors
    /// [`Uncomposable`] names the field at fault.
    pub fn check(&self) -> Result<(), Uncomposable> {
        for hop in &self.hops {
            compose::compose(self, hop.provider, compose::Additions::default())?;
        }
        Ok(())
    }

    /// The account that this job is for. A payload names at least one; one that was edited to name none gets nowhere.
    fn hop(&self) -> Option<&Hop> {
        self.hops.get(self.hop)
    }

    fn has_next_hop(&self) -> bool {
        self.hop + 1 < self.hops.len()
    }

    fn on_next_hop(&self) -> Self {
        Self {
            hop: self.hop + 1,
            ..self.clone()
        }
    }

    /// What makes the job itself: the message, and which account is to send it.
    #[must_use]
    pub fn unique(&self) -> String {
        match self.hop {
            0 => self.message.id.to_string(),
            hop => format!("{}/{hop}", self.message.id),
        }
    }

    /// What the job counts under: the account.
    #[must_use]
    pub fn limit_key(&self) -> Option<String> {
        self.hop().map(Hop::limit_key)
    }
}

/// Adds the job that sends a message, to be run at `at` (unix milliseconds) or later.
///
/// # Errors
/// When the queue did not say that it kept the job; add it again.
pub async fn add(queue: &Client, sending: Sending, origin: Origin, at: i64) -> Result<Receipt, QueueError> {
    match sending.message.channel {
        _ if sending.message.class == MessageClass::Marketing => {
            queue.add_at(&SendBulk::new(sending), origin, at).await
        }
        Channel::Email => queue.add_at(&SendEmail::new(sending), origin, at).await,
        Channel::Sms => queue.add_at(&SendSms::new(sending), origin, at).await,
        Channel::Whatsapp => queue.add_at(&SendWhatsapp::new(sending), origin, at).await,
    }
}

/// Whether a message waits for the end of quiet hours. What somebody waits for does not, nor what must arrive; a mail makes
/// no telephone ring, so only one that nobody asked for waits.
#[must_use]
pub const fn waits_for_quiet_hours(class: MessageClass, channel: Channel) -> bool {
    match class {
        MessageClass::Code | MessageClass::Critical => false,
        MessageClass::Marketing => true,
        MessageClass::Transactional => channel.is_by_number(),
    }
}

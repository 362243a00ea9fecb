//! See [`SendOtp`].

use std::time::Duration;

use queue::{Attempt, Backoff, Job, JobError, Policy, Queue};
use serde::{Deserialize, Serialize};

use crate::Ctx;
use crate::sending::{self, Sending, SendingJob};

/// Sends a one-time code, which is computed when it is sent and lies in no payload.
///
/// Twice is harmless: the code follows from the challenge, so a second message says the same. Late is useless: with the
/// code's life over, the job goes to the dead letters as "expired", unsent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SendOtp(Sending);

impl SendOtp {
    /// The job for the message's first account.
    #[must_use]
    pub const fn new(sending: Sending) -> Self {
        Self(sending)
    }
}

impl SendingJob for SendOtp {
    fn sending(&self) -> &Sending {
        &self.0
    }

    fn with(&self, sending: Sending) -> Self {
        Self(sending)
    }
}

impl Job for SendOtp {
    type Ctx = Ctx;
    const KIND: &'static str = "send_otp";
    /// Somebody waits with a phone in hand: small waits, and an end with the code's.
    const POLICY: Policy = Policy {
        attempts: 12,
        backoff: Backoff {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(30),
        },
        expires: Some(Duration::from_secs(domain::otp::LIFETIME.num_seconds().unsigned_abs())),
        ..sending::policy(Queue::Urgent)
    };

    fn unique(&self) -> String {
        self.0.unique()
    }

    fn limit_key(&self) -> Option<String> {
        self.0.limit_key()
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        sending::run(&self, ctx, attempt).await
    }
}

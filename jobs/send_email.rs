//! See [`SendEmail`].

use queue::{Attempt, Job, JobError, Policy, Queue};
use serde::{Deserialize, Serialize};

use crate::Ctx;
use crate::sending::{self, Sending, SendingJob};

/// Sends a mail. [The course](crate::sending) is the same on every channel.
///
/// Twice is harmless where the provider can tell: a run that finds an earlier one's intent without a result asks before it
/// sends. Late is as the message was asked for: quiet hours and a provider that is away put it off.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SendEmail(Sending);

impl SendEmail {
    /// The job for the message's first account.
    #[must_use]
    pub const fn new(sending: Sending) -> Self {
        Self(sending)
    }
}

impl SendingJob for SendEmail {
    fn sending(&self) -> &Sending {
        &self.0
    }

    fn with(&self, sending: Sending) -> Self {
        Self(sending)
    }
}

impl Job for SendEmail {
    type Ctx = Ctx;
    const KIND: &'static str = "send_email";
    const POLICY: Policy = sending::policy(Queue::Default);

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

//! See [`SendOtp`].

use std::time::Duration;

use queue::{Backoff, Policy, Queue};

use crate::sending::{self, sending_job};

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

sending_job! {
    /// Sends a one-time code, which is computed when it is sent and lies in no payload.
    ///
    /// Twice is harmless: the code follows from the challenge, so a second message says the same. Late is useless: with the
    /// code's life over, the job goes to the dead letters as "expired", unsent, and a retry of that sends nothing.
    SendOtp, "send_otp", POLICY
}

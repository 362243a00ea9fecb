//! See [`SendEmail`].

use queue::Queue;

use crate::sending::{self, sending_job};

sending_job! {
    /// Sends a mail. [The course](crate::sending) is the same on every channel.
    ///
    /// Twice is harmless where the provider can tell: a run that finds an earlier one's intent without a result asks before it
    /// sends. Late is as the message was asked for: quiet hours and a provider that is away put it off.
    SendEmail, "send_email", sending::policy(Queue::Default)
}

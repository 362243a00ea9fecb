//! See [`SendBulk`].

use queue::Queue;

use crate::sending::{self, sending_job};

sending_job! {
    /// Sends a message that nobody asked for, on any channel: it gives way to those that somebody waits for.
    /// [The course](crate::sending) is the same.
    ///
    /// Twice is harmless where the provider can tell: a run that finds an earlier one's intent without a result asks before it
    /// sends. Late is as the message was asked for: quiet hours and a provider that is away put it off.
    SendBulk, "send_bulk", sending::policy(Queue::Bulk)
}

//! What is counted of messages per day: each message at most once per figure.

use super::EventKind;

stored! {
    /// A figure of the delivery statistics.
    Figure {
        /// A provider took it.
        Accepted = "accepted",
        /// The provider handed it on.
        Sent = "sent",
        /// The recipient's server or handset took it.
        Delivered = "delivered",
        /// The recipient saw it, by the channel's own receipt.
        Read = "read",
        /// The recipient saw it, by a picture in it.
        Opened = "opened",
        /// The recipient followed a link.
        Clicked = "clicked",
        /// It could not be sent.
        Failed = "failed",
        /// The carrier or the handset did not take it.
        Undelivered = "undelivered",
        /// It came back.
        Bounced = "bounced",
        /// The recipient called it spam.
        Complained = "complained",
        /// The recipient wanted no more after it.
        Unsubscribed = "unsubscribed",
        /// It was taken back.
        Canceled = "canceled",
        /// Its time was over before it went.
        Expired = "expired",
    }
}

/// Which figures a message is counted in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Figures(u32);

impl Figures {
    /// No figure.
    pub const NONE: Self = Self(0);

    /// The figures that this event puts its message into. An event stands for those that must have come before it, told or
    /// not: what was delivered had been sent. What a machine did says nothing of a person.
    #[must_use]
    pub fn of(kind: EventKind, by_machine: bool) -> Self {
        use Figure::{Accepted, Delivered, Sent};
        const ARRIVED: &[Figure] = &[Accepted, Sent, Delivered];
        const LEFT: &[Figure] = &[Accepted, Sent];
        let (figure, before): (Figure, &[Figure]) = match kind {
            _ if by_machine => (Delivered, LEFT),
            EventKind::Accepted | EventKind::Sending => (Accepted, &[]),
            EventKind::Sent | EventKind::Delayed => (Sent, &[Accepted]),
            EventKind::Delivered => (Delivered, LEFT),
            EventKind::Read => (Figure::Read, ARRIVED),
            EventKind::Opened => (Figure::Opened, ARRIVED),
            EventKind::Clicked => (Figure::Clicked, ARRIVED),
            EventKind::Complained => (Figure::Complained, ARRIVED),
            EventKind::Undelivered => (Figure::Undelivered, LEFT),
            EventKind::Bounced => (Figure::Bounced, LEFT),
            EventKind::Failed | EventKind::Dropped | EventKind::Suppressed => (Figure::Failed, &[]),
            EventKind::Unsubscribed => (Figure::Unsubscribed, &[]),
            EventKind::Canceled => (Figure::Canceled, &[]),
            EventKind::Expired => (Figure::Expired, &[]),
            EventKind::Resubscribed | EventKind::Rejected | EventKind::NotSent | EventKind::Unclear => {
                return Self::NONE;
            }
        };
        before
            .iter()
            .fold(Self::NONE.with(figure), |figures, before| figures.with(*before))
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, figure: Figure) -> Self {
        Self(self.0 | 1 << figure as u32)
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, figure: Figure) -> bool {
        self.0 & (1 << figure as u32) != 0
    }

    /// As it is stored: bit n is the n-th figure of [`Figure::ALL`], which only ever grows at its end.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// From what was stored.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

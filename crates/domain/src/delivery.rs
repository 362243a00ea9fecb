//! How far a message came.
//!
//! Providers report late, twice and out of order. So nothing here depends on the order of arrival: the status is the
//! furthest one reported, counters only count, and times are the earliest and latest that the *provider* named.
//!
//! ```text
//! queued ──accepted──▶ accepted ──sending──▶ sending ──sent──▶ sent ──delivered──▶ delivered
//!    └── canceled, expired, failed, undelivered ──▶ the state of that name ──delivered──▶ delivered
//! delivered ──read──▶ read ──opened──▶ opened ──clicked──▶ clicked
//!    └────────────── from anywhere ──bounced──▶ bounced ──complained──▶ complained
//! ```
//!
//! Steps may be skipped (an open without a delivery) but never taken back. A failure that somebody reports gives way to
//! a sign that the message arrived: carriers correct themselves. Bounced and complained are final: no open or click
//! that comes in afterwards hides them.

mod text;

use chrono::{DateTime, Utc};

pub use text::TextEvent;

stored! {
    /// What a provider reports about an e-mail.
    EmailEvent {
        /// The provider handed it on.
        Sent = "sent",
        /// The recipient's server took it.
        Delivered = "delivered",
        /// The recipient saw it.
        Opened = "opened",
        /// The recipient followed a link.
        Clicked = "clicked",
        /// It came back.
        Bounced = "bounced",
        /// The recipient called it spam.
        Complained = "complained",
        /// The recipient wants no more. Counted; says nothing about this message's way.
        Unsubscribed = "unsubscribed",
    }
}

stored! {
    /// The furthest a message came, lowest rank first.
    Status {
        /// We have it.
        Queued = "queued",
        /// The provider has it.
        Accepted = "accepted",
        /// The provider is handing it on.
        Sending = "sending",
        /// The provider handed it on.
        Sent = "sent",
        /// It was taken back before it went.
        Canceled = "canceled",
        /// Its time was over before it went.
        Expired = "expired",
        /// It could not be sent.
        Failed = "failed",
        /// It was handed on, and the other side did not take it.
        Undelivered = "undelivered",
        /// The recipient's server or handset took it.
        Delivered = "delivered",
        /// The recipient saw it, by the channel's own receipt.
        Read = "read",
        /// The recipient saw it, by a picture in it.
        Opened = "opened",
        /// The recipient followed a link.
        Clicked = "clicked",
        /// It came back. Final.
        Bounced = "bounced",
        /// The recipient called it spam. Final.
        Complained = "complained",
    }
}

impl Status {
    /// Its place on the way; a status is only ever replaced by one of higher rank.
    #[must_use]
    pub const fn rank(self) -> u8 {
        self as u8
    }

    /// Whether something is still to come: the message is on its way, and nothing says that it arrived or never will.
    #[must_use]
    pub const fn is_open(self) -> bool {
        self.rank() <= Self::Sent.rank()
    }

    /// Whether it did not arrive, as far as anybody knows.
    #[must_use]
    pub const fn is_lost(self) -> bool {
        matches!(
            self,
            Self::Canceled | Self::Expired | Self::Failed | Self::Undelivered | Self::Bounced
        )
    }

    /// Whether no open, click or delivery can change it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Bounced | Self::Complained)
    }
}

/// The status that an event speaks of, if it speaks of one.
const fn reported(event: EmailEvent) -> Option<Status> {
    Some(match event {
        EmailEvent::Sent => Status::Sent,
        EmailEvent::Delivered => Status::Delivered,
        EmailEvent::Opened => Status::Opened,
        EmailEvent::Clicked => Status::Clicked,
        EmailEvent::Bounced => Status::Bounced,
        EmailEvent::Complained => Status::Complained,
        EmailEvent::Unsubscribed => return None,
    })
}

/// The status after an event: the higher of the two, whichever came first.
#[must_use]
pub fn advance(current: Status, event: EmailEvent) -> Status {
    reported(event).map_or(current, |reported| current.max(reported))
}

/// How often each event was reported for one message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the event of its name")]
pub struct Counters {
    pub sent: u32,
    pub delivered: u32,
    pub opened: u32,
    pub clicked: u32,
    pub bounced: u32,
    pub complained: u32,
    pub unsubscribed: u32,
}

impl Counters {
    /// Adds one.
    pub fn count(&mut self, event: EmailEvent) {
        let counter = match event {
            EmailEvent::Sent => &mut self.sent,
            EmailEvent::Delivered => &mut self.delivered,
            EmailEvent::Opened => &mut self.opened,
            EmailEvent::Clicked => &mut self.clicked,
            EmailEvent::Bounced => &mut self.bounced,
            EmailEvent::Complained => &mut self.complained,
            EmailEvent::Unsubscribed => &mut self.unsubscribed,
        };
        *counter = counter.saturating_add(1);
    }

    /// The sums of both.
    #[must_use]
    pub const fn joined(self, other: Self) -> Self {
        Self {
            sent: self.sent.saturating_add(other.sent),
            delivered: self.delivered.saturating_add(other.delivered),
            opened: self.opened.saturating_add(other.opened),
            clicked: self.clicked.saturating_add(other.clicked),
            bounced: self.bounced.saturating_add(other.bounced),
            complained: self.complained.saturating_add(other.complained),
            unsubscribed: self.unsubscribed.saturating_add(other.unsubscribed),
        }
    }
}

/// The earliest and latest time of something that happened at least once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct Span {
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
}

impl Span {
    /// `span` stretched to hold `at`.
    #[must_use]
    pub fn stretched(span: Option<Self>, at: DateTime<Utc>) -> Self {
        span.map_or(Self { first: at, last: at }, |span| Self {
            first: span.first.min(at),
            last: span.last.max(at),
        })
    }
}

/// Everything that events tell about one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The furthest it came.
    pub status: Status,
    /// How often each event was reported.
    pub counters: Counters,
    /// When anything happened.
    pub events: Option<Span>,
    /// When it was opened.
    pub opens: Option<Span>,
    /// When links were followed.
    pub clicks: Option<Span>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            status: Status::Queued,
            counters: Counters::default(),
            events: None,
            opens: None,
            clicks: None,
        }
    }
}

impl Progress {
    /// The progress once `event`, which happened at `at`, is known too.
    #[must_use]
    pub fn after(mut self, event: EmailEvent, at: DateTime<Utc>) -> Self {
        self.status = advance(self.status, event);
        self.counters.count(event);
        self.events = Some(Span::stretched(self.events, at));
        match event {
            EmailEvent::Opened => self.opens = Some(Span::stretched(self.opens, at)),
            EmailEvent::Clicked => self.clicks = Some(Span::stretched(self.clicks, at)),
            _ => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    fn event() -> impl Strategy<Value = EmailEvent> {
        select(EmailEvent::ALL)
    }

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).expect("a small number of milliseconds is a time")
    }

    #[test]
    fn bounced_and_complained_stay_whatever_comes_after() {
        for &event in EmailEvent::ALL {
            assert_eq!(advance(Status::Complained, event), Status::Complained);
            let expected = if event == EmailEvent::Complained {
                Status::Complained
            } else {
                Status::Bounced
            };
            assert_eq!(advance(Status::Bounced, event), expected);
        }
    }

    #[test]
    fn an_unsubscription_is_counted_and_leaves_the_status() {
        for &status in Status::ALL {
            assert_eq!(advance(status, EmailEvent::Unsubscribed), status);
        }
        assert_eq!(
            Progress::default()
                .after(EmailEvent::Unsubscribed, at(0))
                .counters
                .unsubscribed,
            1
        );
    }

    #[test]
    fn stored_words_are_what_they_always_were() {
        let words: Vec<_> = EmailEvent::ALL.iter().map(|event| event.as_str()).collect();
        assert_eq!(
            words,
            [
                "sent",
                "delivered",
                "opened",
                "clicked",
                "bounced",
                "complained",
                "unsubscribed"
            ]
        );
        let words: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
        assert_eq!(
            words,
            [
                "queued",
                "accepted",
                "sending",
                "sent",
                "canceled",
                "expired",
                "failed",
                "undelivered",
                "delivered",
                "read",
                "opened",
                "clicked",
                "bounced",
                "complained"
            ]
        );
        for &status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
    }

    proptest! {
        #[test]
        fn a_status_never_moves_back(status in select(Status::ALL), event in event()) {
            prop_assert!(advance(status, event).rank() >= status.rank());
        }

        #[test]
        fn the_order_of_arrival_does_not_matter(
            (events, shuffled) in prop::collection::vec((event(), 0_i64..1000), 0..20)
                .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
        ) {
            let play = |events: Vec<(EmailEvent, i64)>| {
                events.into_iter().fold(Progress::default(), |progress, (event, millis)| progress.after(event, at(millis)))
            };
            prop_assert_eq!(play(events), play(shuffled));
        }
    }
}

//! How far a text message came: SMS and WhatsApp.

use chrono::{DateTime, Utc};

use super::{Progress, Span, Status};

stored! {
    /// What a provider reports about an SMS or a WhatsApp message.
    ///
    /// Ranked as Twilio's documentation of message statuses and Green-API's of outgoing status have them.
    TextEvent {
        /// The provider has it: to be sent at once, in its turn, or at the time asked for.
        Accepted = "accepted",
        /// The provider is handing it on.
        Sending = "sending",
        /// The provider handed it on.
        Sent = "sent",
        /// It was taken back before it went.
        Canceled = "canceled",
        /// Its time was over before it went.
        Expired = "expired",
        /// The provider could not send it.
        Failed = "failed",
        /// The carrier or the handset did not take it.
        Undelivered = "undelivered",
        /// The handset took it.
        Delivered = "delivered",
        /// The recipient saw it. Only from WhatsApp, and only if the recipient lets it be known.
        Read = "read",
    }
}

impl TextEvent {
    /// The status that it speaks of.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Accepted => Status::Accepted,
            Self::Sending => Status::Sending,
            Self::Sent => Status::Sent,
            Self::Canceled => Status::Canceled,
            Self::Expired => Status::Expired,
            Self::Failed => Status::Failed,
            Self::Undelivered => Status::Undelivered,
            Self::Delivered => Status::Delivered,
            Self::Read => Status::Read,
        }
    }
}

impl Progress {
    /// The progress once `event`, which happened at `at`, is known too. Of the counters only those for sent and
    /// delivered concern text messages.
    #[must_use]
    pub fn after_text(mut self, event: TextEvent, at: DateTime<Utc>) -> Self {
        self.status = self.status.max(event.status());
        self.events = Some(Span::stretched(self.events, at));
        let counter = match event {
            TextEvent::Sent => &mut self.counters.sent,
            TextEvent::Delivered => &mut self.counters.delivered,
            _ => return self,
        };
        *counter = counter.saturating_add(1);
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    fn play(events: impl IntoIterator<Item = TextEvent>) -> Progress {
        events
            .into_iter()
            .fold(Progress::default(), |progress, event| progress.after_text(event, at(0)))
    }

    #[test]
    fn a_message_comes_to_the_status_that_tells_most() {
        use TextEvent::*;
        let check = |events: &[TextEvent], expected| {
            let status = play(events.iter().copied()).status;
            assert_eq!(status, expected, "{events:?}");
        };
        check(&[], Status::Queued);
        check(&[Accepted, Sending, Sent, Delivered, Read], Status::Read);
        check(&[Read, Sent], Status::Read);
        check(&[Delivered, Sent, Sending, Accepted], Status::Delivered);
        check(&[Failed, Accepted, Sent], Status::Failed);
        check(&[Sent, Undelivered, Sending], Status::Undelivered);
        check(&[Accepted, Canceled, Accepted], Status::Canceled);
        check(&[Expired, Sent], Status::Expired);
        // The carrier gave up too early, or corrected itself.
        check(&[Undelivered, Delivered], Status::Delivered);
        check(&[Delivered, Undelivered], Status::Delivered);
    }

    #[test]
    fn a_message_is_open_until_it_arrived_or_never_will() {
        let open: Vec<_> = Status::ALL.iter().filter(|status| status.is_open()).collect();
        assert_eq!(
            open,
            [&Status::Queued, &Status::Accepted, &Status::Sending, &Status::Sent]
        );
    }

    #[test]
    fn stored_words_are_what_they_always_were_and_name_the_status() {
        let words: Vec<_> = TextEvent::ALL.iter().map(|event| event.as_str()).collect();
        assert_eq!(
            words.join(" "),
            "accepted sending sent canceled expired failed undelivered delivered read"
        );
        for event in TextEvent::ALL {
            assert_eq!(event.as_str(), event.status().as_str());
        }
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            (events, shuffled) in prop::collection::vec((select(TextEvent::ALL), 0_i64..1000), 0..12)
                .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
        ) {
            let play = |events: Vec<(TextEvent, i64)>| {
                events.into_iter().fold(Progress::default(), |progress, (event, millis)| progress.after_text(event, at(millis)))
            };
            prop_assert_eq!(play(events), play(shuffled));
        }

        #[test]
        fn a_report_that_comes_again_leaves_the_status(
            events in subsequence(TextEvent::ALL, 1..=TextEvent::ALL.len()).prop_shuffle(),
            again in any::<prop::sample::Index>(),
        ) {
            let again = *again.get(&events);
            let once = play(events.clone());
            prop_assert_eq!(once.after_text(again, at(0)).status, once.status);
        }

        #[test]
        fn a_status_never_moves_back(status in select(Status::ALL), event in select(TextEvent::ALL)) {
            let progress = Progress { status, ..Progress::default() };
            prop_assert!(progress.after_text(event, at(0)).status.rank() >= status.rank());
        }
    }
}

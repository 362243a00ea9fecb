//! What makes an event itself: two requests with one identity report the same thing.

use chrono::{DateTime, Utc};
use domain::EmailEvent;

use crate::identity::Parts;

/// Where an event's identity comes from. The two sources never give the same identity.
pub(super) enum Source<'a> {
    /// The provider names its events.
    EventId(&'a str),
    /// It does not, so everything that tells two of them apart counts.
    Content {
        provider: &'a str,
        external_id: &'a str,
        kind: EmailEvent,
        url: Option<&'a str>,
        occurred_at: DateTime<Utc>,
    },
}

impl Source<'_> {
    /// A short fixed text, as [`Parts::identity`] makes it.
    pub(super) fn identity(&self) -> String {
        let mut parts = Parts::new();
        match self {
            Self::EventId(id) => {
                parts.add(b"event_id");
                parts.add(id.as_bytes());
            }
            Self::Content {
                provider,
                external_id,
                kind,
                url,
                occurred_at,
            } => {
                parts.add(b"content");
                parts.add(provider.as_bytes());
                parts.add(external_id.as_bytes());
                parts.add(kind.as_str().as_bytes());
                parts.add(&[u8::from(url.is_some())]);
                parts.add(url.unwrap_or_default().as_bytes());
                // The instant, not its spelling: another offset names the same event.
                parts.add(&occurred_at.timestamp().to_be_bytes());
                parts.add(&occurred_at.timestamp_subsec_nanos().to_be_bytes());
            }
        }
        parts.identity()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    type Tuple = (String, String, EmailEvent, Option<String>, i64, u32);

    fn identity((provider, external_id, kind, url, seconds, nanos): &Tuple) -> String {
        let occurred_at = DateTime::from_timestamp(*seconds, *nanos).unwrap();
        Source::Content {
            provider,
            external_id,
            kind: *kind,
            url: url.as_deref(),
            occurred_at,
        }
        .identity()
    }

    /// Few letters and short texts, so that neighbours which differ only by where one text ends do occur.
    fn tuple() -> impl Strategy<Value = Tuple> {
        let text = "[ab]{0,3}";
        let kind = prop::sample::select(EmailEvent::ALL);
        (text, text, kind, prop::option::of(text), 0..3_i64, 0..2_u32)
    }

    proptest! {
        #[test]
        fn two_events_share_an_identity_only_when_they_are_the_same(one in tuple(), other in tuple()) {
            prop_assert_eq!(identity(&one) == identity(&other), one == other);
        }

        #[test]
        fn an_identity_is_32_hex_digits_and_no_event_id_gives_that_of_a_content(event_id: String, content in tuple()) {
            let named = Source::EventId(&event_id).identity();
            prop_assert_eq!(named.len(), 32);
            prop_assert!(named.bytes().all(|byte| byte.is_ascii_hexdigit()));
            prop_assert_ne!(named, identity(&content));
        }
    }

    #[test]
    fn identities_never_change_because_they_are_keys_of_what_is_already_stored() {
        assert_eq!(Source::EventId("evt-1").identity(), "4dddcf8a5cbee7e869d0365e7897aa61");
        let content = (
            "sendgrid".into(),
            "abc".into(),
            EmailEvent::Clicked,
            Some("https://x.test/".into()),
            1_767_323_045,
            0,
        );
        assert_eq!(identity(&content), "e2a97f73f67cfa399c1fbce2e790aa01");
    }
}

//! Which dead letters are meant.

use anyhow::Context as _;
use queue::backend::{DeadFilter, Reason};
use queue::{Millis, Queue};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Which dead letters are meant. What is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection(pub DeadFilter);

/// The stored form. A form that was ever stored must be read for ever.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// Milliseconds since 1970, as `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Selection {
    /// The same, of letters that died before `at`.
    #[must_use]
    pub fn dead_before(mut self, at: Millis) -> Self {
        self.0.before = Some(self.0.before.map_or(at, |before| before.min(at)));
        self
    }

    /// The stored form.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let Self(letters) = self;
        let stored = Stored {
            queue: letters.queue.map(|queue| queue.name().to_owned()),
            tenant: letters.tenant,
            kind: letters.kind.clone(),
            reason: letters.reason.map(|reason| reason.name().to_owned()),
            group: letters.group.map(|group| group.to_string()),
            since: letters.since,
            before: letters.before,
            text: letters.text.clone(),
        };
        serde_json::to_value(stored).unwrap_or_default()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When it is none, or names what this version does not know: then it must not be taken for a wider one.
    pub fn read(json: &str) -> anyhow::Result<Self> {
        let stored: Stored = serde_json::from_str(json).context("the filter of the action cannot be read")?;
        let queue = stored
            .queue
            .map(|name| Queue::named(&name).context("its filter names an unknown queue"));
        let reason = stored
            .reason
            .map(|name| Reason::named(&name).context("its filter names an unknown reason"));
        Ok(Self(DeadFilter {
            queue: queue.transpose()?,
            tenant: stored.tenant,
            kind: stored.kind,
            reason: reason.transpose()?,
            group: stored.group.map(|group| group.parse()).transpose()?,
            since: stored.since,
            before: stored.before,
            text: stored.text,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use queue::grouping::GroupId;

    use super::*;

    #[test]
    fn a_selection_is_read_as_it_was_stored() {
        let narrow = Selection(DeadFilter {
            queue: Some(Queue::Bulk),
            tenant: Some(Uuid::from_u128(7)),
            kind: Some("send_sms".into()),
            reason: Some(Reason::Expired),
            group: Some(GroupId(-5)),
            since: Some(1),
            before: Some(2),
            text: Some("no answer".into()),
        });
        for selection in [narrow, Selection::default()] {
            assert_eq!(Selection::read(&selection.to_json().to_string()).unwrap(), selection);
        }
    }

    #[test]
    fn a_filter_of_a_later_version_is_refused_and_not_taken_for_a_wider_one() {
        for unknown in [
            r#"{"colour":"red"}"#,
            r#"{"queue":"slow"}"#,
            r#"{"reason":"bored"}"#,
            r#"{"group":"x"}"#,
        ] {
            assert!(Selection::read(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn it_never_takes_what_died_later() {
        let before = |selection: Selection| selection.0.before;
        assert_eq!(before(Selection::default().dead_before(5)), Some(5));
        assert_eq!(before(Selection::default().dead_before(5).dead_before(9)), Some(5));
        assert_eq!(before(Selection::default().dead_before(5).dead_before(3)), Some(3));
    }
}

//! What the store has, read past the program, with statements of its own.

use std::collections::HashMap;

use sqlx::FromRow;
use store::{ConnectOptions, Db};
use uuid::Uuid;

use crate::book::Millis;
use crate::load::PROVIDER;

/// Reads all rows of a statement from whichever database it is.
macro_rules! all {
    ($db:expr, $row:ty, $statement:literal) => {
        match $db {
            Db::Postgres(pool) => sqlx::query_as::<_, $row>($statement).fetch_all(pool).await?,
            Db::Sqlite { readers, .. } => sqlx::query_as::<_, $row>($statement).fetch_all(readers).await?,
        }
    };
}

/// Everything in the store that the load has an effect on.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Of each event of the load, by message, kind and time: when it was applied.
    pub(crate) events: HashMap<(String, String, Millis), Vec<Millis>>,
    /// Of each message that events tell of: its counters.
    pub(crate) messages: HashMap<String, Counters>,
    /// Of each person: the score, and the sum of all points given.
    pub(crate) scores: HashMap<String, (i64, i64)>,
    /// Of each text that somebody wrote, by the provider's name for it: when it was recorded.
    pub(crate) texts: HashMap<String, Vec<Millis>>,
    /// How many interactions events made.
    pub(crate) interactions: i64,
    /// Messages that were to be sent.
    pub(crate) sends: HashMap<Uuid, Outgoing>,
}

/// How often each kind of event was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromRow)]
pub(crate) struct Counters {
    #[sqlx(rename = "external_id")]
    pub(crate) message: String,
    pub(crate) sent: i64,
    pub(crate) delivered: i64,
    pub(crate) opened: i64,
    pub(crate) clicked: i64,
    /// 1 if the message has its interaction.
    pub(crate) interactions: i64,
}

/// What the store says of a message that was to be sent.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Outgoing {
    id: Uuid,
    pub(crate) status: String,
    /// Of the last attempt, if there was one.
    pub(crate) attempt_state: Option<String>,
}

#[cfg(test)]
impl Outgoing {
    pub(crate) fn new(status: &str, attempt_state: Option<&str>) -> Self {
        Self {
            id: Uuid::nil(),
            status: status.to_owned(),
            attempt_state: attempt_state.map(str::to_owned),
        }
    }
}

impl Facts {
    /// Reads everything.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn read(url: &str) -> anyhow::Result<Self> {
        debug_assert_eq!(PROVIDER, "chaos", "it stands in the statements");
        let db = &Db::connect(url, &ConnectOptions::default()).await?;
        let mut facts = Self::default();
        for (message, kind, occurred_at, recorded_at) in all!(
            db,
            (String, String, Millis, Millis),
            "SELECT message.external_id, event.kind, event.occurred_at, event.recorded_at
             FROM message_events event
             JOIN messages message ON message.tenant_id = event.tenant_id AND message.id = event.message_id
             WHERE message.provider = 'chaos'"
        ) {
            facts
                .events
                .entry((message, kind, occurred_at))
                .or_default()
                .push(recorded_at);
        }
        for counters in all!(
            db,
            Counters,
            "SELECT external_id, CAST(sent_count AS BIGINT) AS sent, CAST(delivered_count AS BIGINT) AS delivered,
                    CAST(open_count AS BIGINT) AS opened, CAST(click_count AS BIGINT) AS clicked,
                    CAST(CASE WHEN interaction_id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS interactions
             FROM messages WHERE provider = 'chaos'"
        ) {
            facts.messages.insert(counters.message.clone(), counters);
        }
        for (person, score, points) in all!(
            db,
            (String, i64, i64),
            "SELECT contact.external_id, CAST(lead.score AS BIGINT),
                    CAST((SELECT COALESCE(SUM(entry.points), 0) FROM lead_ledger entry
                          WHERE entry.tenant_id = contact.tenant_id AND entry.contact_id = contact.id) AS BIGINT)
             FROM contacts contact
             JOIN lead_scores lead ON lead.tenant_id = contact.tenant_id AND lead.contact_id = contact.id
             WHERE contact.external_id IS NOT NULL"
        ) {
            facts.scores.insert(person, (score, points));
        }
        for outgoing in all!(
            db,
            Outgoing,
            "SELECT id, status, attempt_state FROM messages WHERE class IS NOT NULL"
        ) {
            facts.sends.insert(outgoing.id, outgoing);
        }
        for (sid, recorded_at) in all!(
            db,
            (String, Millis),
            "SELECT external_id, created_at FROM inbound_messages WHERE provider = 'twilio'"
        ) {
            facts.texts.entry(sid).or_default().push(recorded_at);
        }
        let counted = all!(
            db,
            (i64,),
            "SELECT CAST(COUNT(*) AS BIGINT) FROM interactions WHERE reason <> 'reply'"
        );
        facts.interactions = counted.first().map_or(0, |(count,)| *count);
        db.close().await;
        Ok(facts)
    }
}

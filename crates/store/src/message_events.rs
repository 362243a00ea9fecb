//! The events of a message, as they were reported.

use chrono::{DateTime, Utc};
use domain::{EventId, EventKind, MessageId, Permanence, PersonalText, ReportRecord, TenantId};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::{text, word};
use crate::tenants::context;
use crate::{Cursor, Page, Store, StoreError, time};

/// Something that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageEvent {
    /// Its id.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// Who told it, or who was or would have been asked to carry the message; `None` of what concerns no provider.
    pub provider: Option<String>,
    /// The provider's own word for it.
    pub word: Option<String>,
    /// When, by the provider's clock.
    pub occurred_at: DateTime<Utc>,
    /// When it was written here.
    pub recorded_at: DateTime<Utc>,
    /// Why it did not arrive, as a code.
    pub error_code: Option<String>,
    /// Whether another attempt would fail too, if the provider says so.
    pub permanence: Option<Permanence>,
    /// A machine opened or clicked, not a person.
    pub by_machine: bool,
    /// The link that was followed.
    pub url: Option<PersonalText>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    kind: String,
    provider: Option<String>,
    word: Option<String>,
    occurred_at: i64,
    recorded_at: i64,
    error_code: Option<String>,
    permanence: Option<String>,
    by_machine: bool,
    url: Option<Vec<u8>>,
}

/// An event about to be written.
pub(crate) struct NewEvent<'a> {
    pub(crate) id: EventId,
    /// None if it names no message.
    pub(crate) message: Option<MessageId>,
    pub(crate) kind: EventKind,
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) error_code: Option<&'a str>,
    /// Who carries the message, or would have.
    pub(crate) provider: Option<&'a str>,
    /// The report that it comes from, unless it is of our own.
    pub(crate) report: Option<&'a ReportRecord>,
    pub(crate) recipient_hash: Option<&'a [u8]>,
}

/// The statement of [`Store::message_events`].
macro_rules! events {
    ($tenant:expr, $message:expr, $after:expr, $limit:expr) => {{
        let mut query = QueryBuilder::new(
            "SELECT id, kind, provider, word, occurred_at, recorded_at, error_code, permanence, by_machine, url
                 FROM message_events WHERE tenant_id = ",
        );
        query
            .push_bind($tenant.0)
            .push(" AND message_id = ")
            .push_bind($message.0);
        if let Some(cursor) = $after {
            query
                .push(" AND (occurred_at, id) > (")
                .push_bind(cursor.at.timestamp_millis());
            query.push(", ").push_bind(cursor.id).push(")");
        }
        query
            .push(" ORDER BY occurred_at, id LIMIT ")
            .push_bind($crate::page::rows_for($limit));
        query
    }};
}
#[cfg(test)]
pub(crate) use events;

impl Store {
    /// A message's events in the order they happened.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when a link was sealed under a key that is not in the keyring.
    pub async fn message_events(
        &self,
        tenant: TenantId,
        message: MessageId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<MessageEvent>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = events!(tenant, message, after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let items = rows
            .into_iter()
            .map(|row| {
                Ok(MessageEvent {
                    id: EventId(row.id),
                    kind: word(&row.kind, "an unknown event kind")?,
                    provider: row.provider,
                    word: row.word,
                    error_code: row.error_code,
                    permanence: row
                        .permanence
                        .map(|permanence| word(&permanence, "an unknown permanence"))
                        .transpose()?,
                    by_machine: row.by_machine,
                    occurred_at: time::at(row.occurred_at)?,
                    recorded_at: time::at(row.recorded_at)?,
                    url: text(&self.keyring, "event.url", row.id, row.url)?.map(PersonalText::new),
                })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Page::of(items, limit, |item: &MessageEvent| Cursor {
            at: item.occurred_at,
            id: item.id.0,
        }))
    }

    /// An event as it was sent, if it was: for those who look into what a provider said.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was sealed under a key that is not in the keyring.
    pub async fn message_event_raw(&self, tenant: TenantId, id: EventId) -> Result<Option<PersonalText>, StoreError> {
        let sealed: Option<Option<Vec<u8>>> = on!(self.db.reader(), pool =>
            sqlx::query_scalar("SELECT raw FROM message_events WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .fetch_optional(pool)
                .await)?;
        Ok(text(&self.keyring, "event.raw", id.0, sealed.flatten())?.map(PersonalText::new))
    }

    /// Writes an event down. Answers whether it is new: the same one is never there twice.
    pub(crate) async fn insert_event(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        event: &NewEvent<'_>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let seal = |column, text: &PersonalText| {
            self.keyring
                .seal(&context(column, event.id.0), text.expose().as_bytes())
        };
        let report = event.report;
        let url = report
            .and_then(|report| report.url.as_ref())
            .map(|url| seal("event.url", url));
        let raw = report
            .and_then(|report| report.raw.as_ref())
            .map(|raw| seal("event.raw", raw));
        let inserted = on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO message_events
                     (id, tenant_id, message_id, kind, provider, word, occurred_at, recorded_at, error_code, permanence,
                      cause, by_machine, recipient_hash, url, raw)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (id) DO NOTHING")
                .bind(event.id.0)
                .bind(tenant.0)
                .bind(event.message.map(|message| message.0))
                .bind(event.kind.as_str())
                .bind(event.provider)
                .bind(report.map(|report| report.word.as_str()))
                .bind(event.occurred_at.timestamp_millis())
                .bind(now.timestamp_millis())
                .bind(event.error_code)
                .bind(report.and_then(|report| report.permanence).map(Permanence::as_str))
                .bind(report.map(|report| report.cause().as_str()))
                .bind(report.is_some_and(|report| report.by_machine))
                .bind(event.recipient_hash)
                .bind(url)
                .bind(raw)
                .execute(connection)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(inserted > 0)
    }
}

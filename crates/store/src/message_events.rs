//! The events of a message, as they were reported.

use chrono::{DateTime, Utc};
use domain::{EmailEventRecord, EventId, EventKind, MessageId, Permanence, PersonalText, TenantId};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::text;
use crate::tenants::context;
use crate::{Cursor, Page, Store, StoreError, time};

/// Something that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageEvent {
    /// Its id.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// Who told it; `None`: we found it out ourselves.
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
    occurred_at: i64,
    recorded_at: i64,
    url: Option<Vec<u8>>,
}

/// The statement of [`Store::message_events`].
macro_rules! events {
    ($tenant:expr, $message:expr, $after:expr, $limit:expr) => {{
        let mut query =
            QueryBuilder::new("SELECT id, kind, occurred_at, recorded_at, url FROM message_events WHERE tenant_id = ");
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
                    kind: row
                        .kind
                        .parse()
                        .map_err(|_| StoreError::Corrupt("an unknown event kind".into()))?,
                    provider: None,
                    word: None,
                    error_code: None,
                    permanence: None,
                    by_machine: false,
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

    /// Writes an event down. Answers whether it is new: the same one is never there twice.
    pub(crate) async fn insert_event(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: MessageId,
        id: EventId,
        record: &EmailEventRecord,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let url = record
            .url
            .as_ref()
            .map(|url| self.keyring.seal(&context("event.url", id.0), url.expose().as_bytes()));
        let inserted = on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO message_events (id, tenant_id, message_id, kind, occurred_at, recorded_at, url)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING")
                .bind(id.0)
                .bind(tenant.0)
                .bind(message.0)
                .bind(record.kind.as_str())
                .bind(record.occurred_at.timestamp_millis())
                .bind(now.timestamp_millis())
                .bind(url)
                .execute(connection)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(inserted > 0)
    }
}

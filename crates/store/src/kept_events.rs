//! Events that nothing is made of yet, kept as they were told: calls, the state of senders, and what this version does
//! not know. Whoever learns to read them finds them here.

use chrono::{DateTime, Utc};
use domain::{EndpointId, EventId, PersonalText, TenantId};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::page::rows_for;
use crate::tenants::context;
use crate::{Cursor, Page, Store, StoreError, time};

/// One event, and all that was told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// Who told it, as one word: `vapi`.
    pub provider: String,
    /// The provider's own word for it: `end-of-call-report`.
    pub word: String,
    /// When it happened, by the provider's clock.
    pub occurred_at: DateTime<Utc>,
    /// What was told, in a form that the caller can read again. Kept sealed.
    pub content: PersonalText,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    provider: String,
    word: String,
    occurred_at: i64,
    content: Vec<u8>,
}

#[derive(FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    event: Row,
    recorded_at: i64,
}

impl Store {
    /// Keeps an event that `endpoint` of `tenant` received, once however often it is called. Answers whether it is new.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later; [`StoreError::Missing`] when the tenant is gone.
    pub async fn keep_event(
        &self,
        tenant: TenantId,
        endpoint: EndpointId,
        identity: &str,
        event: &KeptEvent,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let id = EventId::derive(endpoint, identity);
        let content = self
            .keyring
            .seal(&context("kept_event.content", id.0), event.content.expose().as_bytes());
        let inserted = write_on!(self.db, pool =>
            sqlx::query(
                "INSERT INTO kept_events (id, tenant_id, provider, word, occurred_at, recorded_at, content)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING")
                .bind(id.0)
                .bind(tenant.0)
                .bind(&event.provider)
                .bind(&event.word)
                .bind(time::happened(event.occurred_at, now).timestamp_millis())
                .bind(now.timestamp_millis())
                .bind(&content)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(inserted > 0)
    }

    /// An event that was kept.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was sealed under a key that is not in the keyring.
    pub async fn kept_event(&self, tenant: TenantId, id: EventId) -> Result<Option<KeptEvent>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT id, provider, word, occurred_at, content FROM kept_events WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .fetch_optional(pool)
                .await)?;
        row.map(|row| self.open_kept_event(row)).transpose()
    }

    /// A tenant's kept events with their ids, newest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when one was sealed under a key that is not in the keyring.
    pub async fn kept_events(
        &self,
        tenant: TenantId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<(EventId, KeptEvent)>, StoreError> {
        let rows: Vec<ListedRow> = on!(self.db.reader(), pool => {
            let mut query = QueryBuilder::new(
                "SELECT id, provider, word, occurred_at, content, recorded_at FROM kept_events WHERE tenant_id = ");
            query.push_bind(tenant.0);
            if let Some(cursor) = after {
                query.push(" AND (recorded_at, id) < (").push_bind(cursor.at.timestamp_millis());
                query.push(", ").push_bind(cursor.id).push(")");
            }
            query.push(" ORDER BY recorded_at DESC, id DESC LIMIT ").push_bind(rows_for(limit));
            query.build_query_as().fetch_all(pool).await
        })?;
        let open = |row: ListedRow| {
            let (id, recorded_at) = (EventId(row.event.id), time::at(row.recorded_at)?);
            Ok((recorded_at, id, self.open_kept_event(row.event)?))
        };
        let items = rows.into_iter().map(open).collect::<Result<_, StoreError>>()?;
        let place = |(at, id, _): &(DateTime<Utc>, EventId, KeptEvent)| Cursor { at: *at, id: id.0 };
        Ok(Page::of(items, limit, place).map(|(_, id, event)| (id, event)))
    }

    /// Removes a kept event.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_kept_event(&self, tenant: TenantId, id: EventId) -> Result<(), StoreError> {
        write_on!(self.db, pool =>
            sqlx::query("DELETE FROM kept_events WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(())
    }

    fn open_kept_event(&self, row: Row) -> Result<KeptEvent, StoreError> {
        let content = self
            .keyring
            .open(&context("kept_event.content", row.id), &row.content)?;
        let content = String::from_utf8(content).map_err(|_| StoreError::Corrupt("what an event told".into()))?;
        Ok(KeptEvent {
            provider: row.provider,
            word: row.word,
            occurred_at: time::at(row.occurred_at)?,
            content: PersonalText::new(content),
        })
    }
}

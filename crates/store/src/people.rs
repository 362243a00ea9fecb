//! What only an export of one person asks for.

use chrono::{DateTime, Utc};
use domain::{ContactId, InboundId, PersonalText, Recipient, TenantId};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::interactions::{self, COLUMNS};
use crate::messages::text;
use crate::otp_challenges;
use crate::{Cursor, Interaction, Page, Store, StoreError, StoredChallenge, time};

/// A score, or what is left of one in the archive.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreOf {
    /// The points.
    pub score: i64,
    /// When the latest event happened.
    pub last_event_at: DateTime<Utc>,
    /// When it was put into the archive; `None`: it stands.
    pub archived_at: Option<DateTime<Utc>>,
    /// The sums of its ledger, reason by reason, if it is in the archive. Else the ledger says them.
    pub reasons: Value,
}

#[derive(FromRow)]
struct ScoreRow {
    score: i64,
    last_event_at: i64,
    archived_at: Option<i64>,
    reasons: Option<String>,
}

impl Store {
    /// A contact's interactions, newest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when one was sealed under a key that is not in the keyring.
    pub async fn interactions_of(
        &self,
        tenant: TenantId,
        contact: ContactId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Interaction>, StoreError> {
        let rows: Vec<interactions::Row> = on!(self.db.reader(), pool => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push(" FROM interactions interaction WHERE interaction.tenant_id = ").push_bind(tenant.0);
            query.push(" AND interaction.contact_id = ").push_bind(contact.0);
            crate::page::push_newest_after!(query, "interaction", after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let items = rows.into_iter().map(|row| row.open(&self.keyring));
        let items = items.collect::<Result<_, StoreError>>()?;
        Ok(Page::of(items, limit, |item: &Interaction| Cursor {
            at: item.created_at,
            id: item.id.0,
        }))
    }

    /// A contact's score, if there is one, and those in the archive.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn scores_of(&self, tenant: TenantId, contact: ContactId) -> Result<Vec<ScoreOf>, StoreError> {
        let rows: Vec<ScoreRow> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT score, last_event_at, CAST(NULL AS BIGINT) AS archived_at, CAST(NULL AS TEXT) AS reasons
                 FROM lead_scores WHERE tenant_id = $1 AND contact_id = $2
                 UNION ALL
                 SELECT score, last_event_at, archived_at, reasons FROM lead_archive WHERE tenant_id = $1 AND contact_id = $2")
                .bind(tenant.0)
                .bind(contact.0)
                .fetch_all(pool)
                .await)?;
        let read = |row: ScoreRow| {
            let reasons = row.reasons.as_deref().map_or(Ok(Value::Null), serde_json::from_str);
            Ok(ScoreOf {
                score: row.score,
                last_event_at: time::at(row.last_event_at)?,
                archived_at: time::at_opt(row.archived_at)?,
                reasons: reasons.map_err(|_| StoreError::Corrupt("reasons".into()))?,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// One-time codes that were asked for, for somebody. Those that expired long ago are not kept.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when one was sealed under a key that is not in the keyring.
    pub async fn challenges_for(
        &self,
        tenant: TenantId,
        recipient: &Recipient,
    ) -> Result<Vec<StoredChallenge>, StoreError> {
        let hash = self.recipient_hash_to_find(tenant, recipient).await?;
        let rows: Vec<otp_challenges::Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(otp_challenges::OF_RECIPIENT).bind(tenant.0).bind(hash).fetch_all(pool).await)?;
        rows.into_iter().map(|row| self.open_challenge(row)).collect()
    }

    /// A message that came in as it was sent, if it was.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was sealed under a key that is not in the keyring.
    pub async fn inbound_raw(&self, tenant: TenantId, id: InboundId) -> Result<Option<PersonalText>, StoreError> {
        let sealed: Option<Option<Vec<u8>>> = on!(self.db.reader(), pool =>
            sqlx::query_scalar("SELECT raw FROM inbound_messages WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .fetch_optional(pool)
                .await)?;
        Ok(text(&self.keyring, "inbound.raw", id.0, sealed.flatten())?.map(PersonalText::new))
    }

    /// Whether there is such a contact, and it is somebody; or whether its erasure is under way, or done.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn is_contact_known(&self, tenant: TenantId, contact: ContactId) -> Result<bool, StoreError> {
        let row: Option<Uuid> = on!(self.db.reader(), pool =>
            sqlx::query_scalar(
                "SELECT id FROM contacts WHERE tenant_id = $1 AND id = $2 AND erased_at IS NULL
                 UNION ALL
                 SELECT contact_id FROM erased_contacts WHERE tenant_id = $1 AND contact_id = $2 LIMIT 1")
                .bind(tenant.0)
                .bind(contact.0)
                .fetch_optional(pool)
                .await)?;
        Ok(row.is_some())
    }
}

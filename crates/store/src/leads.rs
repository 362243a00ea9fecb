//! Lead scores, and the ledger that says why they are what they are.

use chrono::{DateTime, Utc};
use domain::delivery::Counters;
use domain::scoring::{self, Reason};
use domain::{ContactId, EmailEvent, MessageId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::db::Tx;
use crate::page::LIMIT_MAX;
use crate::{Store, StoreError, time};

/// A contact worth calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HotLead {
    /// The contact.
    pub contact_id: ContactId,
    /// The tenant's own id, if it is a person who has one.
    pub person_id: Option<String>,
    /// The tenant's own id, if it is an organisation.
    pub organisation_id: Option<String>,
    /// Its points.
    pub score: i64,
    /// When its latest event happened.
    pub last_event_at: DateTime<Utc>,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its number; a contact's lines are in the order of their numbers.
    pub entry: i64,
    /// Why.
    pub reason: Reason,
    /// How many points the rule gives; the score may have moved by less, because it does not go below zero.
    pub points: i64,
    /// The score after it.
    pub score_after: i64,
    /// The message it was for. It may have been purged since.
    pub message_id: Option<MessageId>,
    /// When it was written.
    pub recorded_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct HotRow {
    contact_id: Uuid,
    kind: String,
    external_id: Option<String>,
    score: i64,
    last_event_at: i64,
}

#[derive(FromRow)]
struct LedgerRow {
    entry: i64,
    reason: String,
    points: i64,
    score_after: i64,
    message_id: Option<Uuid>,
    recorded_at: i64,
}

pub(crate) const HOT: &str = "SELECT lead.contact_id, contact.kind, contact.external_id, lead.score, lead.last_event_at
     FROM lead_scores lead
     JOIN contacts contact ON contact.tenant_id = lead.tenant_id AND contact.id = lead.contact_id
     WHERE lead.tenant_id = $1 AND lead.score > 0 AND lead.score >= $2
     ORDER BY lead.score DESC, lead.contact_id LIMIT $3";

/// The same with the leads that have lost all their points, which are not in the index of hot ones: only for somebody
/// who asks for them.
const ALL: &str = "SELECT lead.contact_id, contact.kind, contact.external_id, lead.score, lead.last_event_at
     FROM lead_scores lead
     JOIN contacts contact ON contact.tenant_id = lead.tenant_id AND contact.id = lead.contact_id
     WHERE lead.tenant_id = $1 AND lead.score >= $2
     ORDER BY lead.score DESC, lead.contact_id LIMIT $3";

impl Store {
    /// The contacts with the highest scores: at least `min_score`, at most `limit` of them.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn leads_hot(&self, tenant: TenantId, min_score: i64, limit: u32) -> Result<Vec<HotLead>, StoreError> {
        let rows: Vec<HotRow> = on!(self.db.reader(), pool =>
            sqlx::query_as(if min_score > 0 { HOT } else { ALL })
                .bind(tenant.0)
                .bind(min_score)
                .bind(i64::from(limit.min(LIMIT_MAX)))
                .fetch_all(pool)
                .await)?;
        rows.into_iter()
            .map(|row| {
                let (person_id, organisation_id) = by_kind(&row.kind, row.external_id);
                Ok(HotLead {
                    contact_id: ContactId(row.contact_id),
                    person_id,
                    organisation_id,
                    score: row.score,
                    last_event_at: time::at(row.last_event_at)?,
                })
            })
            .collect()
    }

    /// A contact's ledger from its first line, or from the one after `after`.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn lead_ledger(
        &self,
        tenant: TenantId,
        contact: ContactId,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let rows: Vec<LedgerRow> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT entry, reason, points, score_after, message_id, recorded_at FROM lead_ledger
                 WHERE tenant_id = $1 AND contact_id = $2 AND entry > $3 ORDER BY entry LIMIT $4")
                .bind(tenant.0)
                .bind(contact.0)
                .bind(after.unwrap_or(0))
                .bind(i64::from(limit.min(LIMIT_MAX)))
                .fetch_all(pool)
                .await)?;
        rows.into_iter()
            .map(|row| {
                Ok(LedgerEntry {
                    entry: row.entry,
                    reason: row
                        .reason
                        .parse()
                        .map_err(|_| StoreError::Corrupt("an unknown reason".into()))?,
                    points: row.points,
                    score_after: row.score_after,
                    message_id: row.message_id.map(MessageId),
                    recorded_at: time::at(row.recorded_at)?,
                })
            })
            .collect()
    }
}

/// (person_id, organisation_id) of a contact.
pub(crate) fn by_kind(kind: &str, external_id: Option<String>) -> (Option<String>, Option<String>) {
    if kind == "organisation" {
        (None, external_id)
    } else {
        (external_id, None)
    }
}

/// A contact's score as it is stored.
#[derive(Clone, Copy, FromRow)]
pub(crate) struct Score {
    pub(crate) score: i64,
    /// In milliseconds.
    pub(crate) last_event_at: i64,
}

/// Reads the score of a locked contact.
pub(crate) async fn score(tx: &mut Tx, tenant: TenantId, contact: ContactId) -> Result<Option<Score>, StoreError> {
    Ok(on!(tx.connection(), connection =>
        sqlx::query_as("SELECT score, last_event_at FROM lead_scores WHERE tenant_id = $1 AND contact_id = $2")
            .bind(tenant.0)
            .bind(contact.0)
            .fetch_optional(connection)
            .await)?)
}

/// Writes the score of a locked contact.
pub(crate) async fn set_score(
    tx: &mut Tx,
    tenant: TenantId,
    contact: ContactId,
    score: i64,
    last_event_at: i64,
) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO lead_scores (tenant_id, contact_id, score, last_event_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, contact_id)
             DO UPDATE SET score = excluded.score, last_event_at = excluded.last_event_at")
            .bind(tenant.0)
            .bind(contact.0)
            .bind(score)
            .bind(last_event_at)
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

/// A line about to be written.
pub(crate) struct Entry {
    pub(crate) reason: Reason,
    pub(crate) points: i64,
    pub(crate) score_after: i64,
    pub(crate) message: Option<MessageId>,
}

/// Writes a line into the ledger of a locked contact.
pub(crate) async fn write(
    tx: &mut Tx,
    tenant: TenantId,
    contact: ContactId,
    entry: &Entry,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO lead_ledger (tenant_id, contact_id, reason, points, score_after, message_id, recorded_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(tenant.0)
            .bind(contact.0)
            .bind(entry.reason.as_str())
            .bind(entry.points)
            .bind(entry.score_after)
            .bind(entry.message.map(|message| message.0))
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

/// Gives a locked contact the points of something that happened to a message of theirs, whose counters were `before`.
/// Answers the points and the score after them.
#[expect(clippy::too_many_arguments, reason = "one call, each argument a different type")]
pub(crate) async fn award(
    tx: &mut Tx,
    tenant: TenantId,
    contact: ContactId,
    message: MessageId,
    before: &Counters,
    event: EmailEvent,
    occurred_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(i64, i64), StoreError> {
    let held = score(tx, tenant, contact).await?;
    let last_event_at = occurred_at.timestamp_millis();
    let last_event_at = held.map_or(last_event_at, |held| held.last_event_at.max(last_event_at));
    let points = scoring::delta(before, event);
    let score = scoring::apply(held.map_or(0, |held| held.score), points);
    set_score(tx, tenant, contact, score, last_event_at).await?;
    if let Some(award) = scoring::award(before, event) {
        let entry = Entry {
            reason: award.reason,
            points,
            score_after: score,
            message: Some(message),
        };
        write(tx, tenant, contact, &entry, now).await?;
    }
    Ok((points, score))
}

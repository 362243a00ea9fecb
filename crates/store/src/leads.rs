//! Lead scores, and the ledger that says why they are what they are.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::scoring::Reason;
use domain::{ContactId, MessageId, TenantId};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::messages::word;
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

/// How a lead came to its score, by its ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadHistory {
    /// By how much the score moved since the moment that was asked for.
    pub trend: i64,
    /// What moved it ever, most first. Together they are the score.
    pub reasons: Vec<ReasonSum>,
}

/// All lines of a ledger that have one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonSum {
    /// Why.
    pub reason: Reason,
    /// By how much they moved the score.
    pub moved: i64,
    /// How many there are.
    pub lines: i64,
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
    /// By how much it moved; nothing where what moved it stands in lines of its own. All of a contact's lines together moved
    /// the score to what it is.
    pub moved: i64,
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
    moved: i64,
    score_after: i64,
    message_id: Option<Uuid>,
    recorded_at: i64,
}

#[derive(FromRow)]
struct SumRow {
    contact_id: Uuid,
    reason: String,
    lines: i64,
    moved: i64,
    trend: i64,
}

/// By how much a line moved the score. Those that were written before that was kept say what the rule gave.
macro_rules! moved {
    () => {
        "COALESCE(moved, CASE reason WHEN 'merge' THEN 0 ELSE points END)"
    };
}
pub(crate) use moved;

/// What the ledgers of contacts say, reason by reason.
macro_rules! sums {
    ($tenant:expr, $contacts:expr, $since:expr) => {{
        let mut query = QueryBuilder::new(concat!(
            "SELECT contact_id, reason, COUNT(*) AS lines, CAST(SUM(",
            $crate::leads::moved!(),
            ") AS BIGINT) AS moved, CAST(SUM(CASE WHEN recorded_at > "
        ));
        query.push_bind($since.timestamp_millis()).push(concat!(
            " THEN ",
            $crate::leads::moved!(),
            " ELSE 0 END) AS BIGINT) AS trend FROM lead_ledger WHERE tenant_id = "
        ));
        query.push_bind($tenant.0).push(" AND contact_id");
        push_in!(query, contact in $contacts => contact.0);
        query.push(" GROUP BY contact_id, reason");
        query
    }};
}
#[cfg(test)]
pub(crate) use sums;

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

    /// How contacts came to their scores, by their ledgers; the trend is that since `since`. Contacts without a ledger
    /// are left out.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn lead_histories(
        &self,
        tenant: TenantId,
        contacts: &[ContactId],
        since: DateTime<Utc>,
    ) -> Result<HashMap<ContactId, LeadHistory>, StoreError> {
        let mut histories: HashMap<ContactId, LeadHistory> = HashMap::new();
        if contacts.is_empty() {
            return Ok(histories);
        }
        let rows: Vec<SumRow> = on!(self.db.reader(), pool => {
            let mut query = sums!(tenant, contacts, since);
            query.build_query_as().fetch_all(pool).await
        })?;
        for row in rows {
            let history = histories.entry(ContactId(row.contact_id)).or_default();
            history.trend += row.trend;
            history.reasons.push(ReasonSum {
                reason: word(&row.reason, "an unknown reason")?,
                moved: row.moved,
                lines: row.lines,
            });
        }
        for history in histories.values_mut() {
            // Those that moved nothing say nothing: what a merge brought stands in the lines that came along.
            history.reasons.retain(|sum| sum.moved != 0);
            history
                .reasons
                .sort_by_key(|sum| (std::cmp::Reverse(sum.moved.abs()), sum.reason));
        }
        Ok(histories)
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
            concat!(
                "SELECT entry, reason, points, ", moved!(), " AS moved, score_after, message_id, recorded_at FROM lead_ledger
                 WHERE tenant_id = $1 AND contact_id = $2 AND entry > $3 ORDER BY entry LIMIT $4"))
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
                    reason: word(&row.reason, "an unknown reason")?,
                    points: row.points,
                    moved: row.moved,
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

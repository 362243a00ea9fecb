//! When leads became hot.
//!
//! A crossing is written by the transaction that raises the score, with a piece of follow-up work for whoever looks
//! after the contact, due at once. To be told elsewhere it is handed on afterwards: whoever hands on asks for those that wait,
//! adds the work, and only then says so. Who dies in between leaves crossings that wait still, and the same work is
//! added again, as the same.

use chrono::{DateTime, Utc};
use domain::interaction::{InteractionReason, InteractionStatus};
use domain::scoring::{self, ScoreRules};
use domain::{ContactId, CrossingId, InteractionId, TenantId};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::interactions::{self, NewInteraction};
use crate::leads::by_kind;
use crate::page::LIMIT_MAX;
use crate::tenants::new_id;
use crate::{Store, StoreError, lead_owner, time};

/// A lead's becoming hot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// Its id.
    pub id: CrossingId,
    /// Who it is.
    pub contact_id: ContactId,
    /// The tenant's own id, if it is a person who has one.
    pub person_id: Option<String>,
    /// The tenant's own id, if it is an organisation.
    pub organisation_id: Option<String>,
    /// The score then.
    pub score: i64,
    /// From which score on leads were hot then.
    pub hot_from: i64,
    /// When it was.
    pub crossed_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    contact_id: Uuid,
    kind: String,
    external_id: Option<String>,
    score: i64,
    hot_from: i64,
    crossed_at: i64,
}

pub(crate) const WAITING: &str = "SELECT tenant_id, id FROM lead_crossings
     WHERE handed_at IS NULL AND crossed_at >= 0 ORDER BY crossed_at, id LIMIT $1";

impl Store {
    /// Crossings of all tenants that nobody handed on yet, oldest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn crossings_waiting(&self, limit: u32) -> Result<Vec<(TenantId, CrossingId)>, StoreError> {
        let rows: Vec<(Uuid, Uuid)> = on!(self.db.reader(), pool =>
            sqlx::query_as(WAITING).bind(i64::from(limit.min(LIMIT_MAX))).fetch_all(pool).await)?;
        Ok(rows
            .into_iter()
            .map(|(tenant, id)| (TenantId(tenant), CrossingId(id)))
            .collect())
    }

    /// These crossings were handed on. Once more is harmless.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn crossings_handed(&self, crossings: &[CrossingId], now: DateTime<Utc>) -> Result<(), StoreError> {
        if crossings.is_empty() {
            return Ok(());
        }
        write_on!(self.db, pool => {
            let mut query = QueryBuilder::new("UPDATE lead_crossings SET handed_at = ");
            query.push_bind(now.timestamp_millis()).push(" WHERE handed_at IS NULL AND id");
            push_in!(query, crossing in crossings => crossing.0);
            query.build().execute(pool).await.map(|_| ())
        })?;
        Ok(())
    }

    /// A crossing by its id; `None` if it, its contact or its tenant is gone.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn crossing(&self, tenant: TenantId, id: CrossingId) -> Result<Option<Crossing>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT crossing.id, crossing.contact_id, contact.kind, contact.external_id, crossing.score,
                     crossing.hot_from, crossing.crossed_at
                 FROM lead_crossings crossing
                 JOIN contacts contact ON contact.tenant_id = crossing.tenant_id AND contact.id = crossing.contact_id
                 WHERE crossing.tenant_id = $1 AND crossing.id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .fetch_optional(pool)
                .await)?;
        let Some(row) = row else { return Ok(None) };
        let (person_id, organisation_id) = by_kind(&row.kind, row.external_id);
        Ok(Some(Crossing {
            id: CrossingId(row.id),
            contact_id: ContactId(row.contact_id),
            person_id,
            organisation_id,
            score: row.score,
            hot_from: row.hot_from,
            crossed_at: time::at(row.crossed_at)?,
        }))
    }
}

/// Writes down that a locked contact has become a hot lead, if it has: its score was and is so. Creates the work that
/// follows.
pub(crate) async fn notice(
    tx: &mut Tx,
    tenant: TenantId,
    contact: ContactId,
    rules: &ScoreRules,
    (before, after): (i64, i64),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if !scoring::crosses(rules.hot_from, before, after) {
        return Ok(());
    }
    let id = CrossingId(new_id(now));
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO lead_crossings (id, tenant_id, contact_id, score, hot_from, crossed_at)
             VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(id.0)
            .bind(tenant.0)
            .bind(contact.0)
            .bind(after)
            .bind(rules.hot_from)
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    let work = NewInteraction {
        id: InteractionId::of_crossing(id),
        contact,
        status: InteractionStatus::Todo,
        reason: InteractionReason::HotLead,
        intent: None,
        assignee: lead_owner::of(tx, tenant, contact, id).await?,
        // At once: so whose work it is is reminded of it.
        next_action_at: Some(now),
    };
    interactions::create(tx, tenant, &work, now).await
}

//! Interactions: follow-up work with a contact, and the inbox that shows it.

use chrono::{DateTime, Utc};
use domain::interaction::{InteractionReason, InteractionStatus};
use domain::{ContactId, Intent, InteractionId, TenantId};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::word;
use crate::{Cursor, Page, Store, StoreError, time};

/// Who creates interactions that no person created.
const SYSTEM: &str = "system";

/// A piece of follow-up work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interaction {
    /// Its id.
    pub id: InteractionId,
    /// With whom.
    pub contact_id: ContactId,
    /// Where it stands.
    pub status: InteractionStatus,
    /// Why it exists.
    pub reason: InteractionReason,
    /// What somebody meant who wrote to us, if it exists because of that.
    pub intent: Option<Intent>,
    /// Whose work it is.
    pub assignee: Option<String>,
    /// When something is due.
    pub next_action_at: Option<DateTime<Utc>>,
    /// When somebody was told that it is overdue.
    pub notified_at: Option<DateTime<Utc>>,
    /// Who created it.
    pub creator: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// What the inbox is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboxFilter {
    /// Only this status.
    pub status: Option<InteractionStatus>,
    /// Only this person's.
    pub assignee: Option<String>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    contact_id: Uuid,
    status: String,
    reason: String,
    intent: Option<String>,
    assignee: Option<String>,
    next_action_at: Option<i64>,
    notified_at: Option<i64>,
    creator: String,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Interaction {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: InteractionId(row.id),
            contact_id: ContactId(row.contact_id),
            status: row
                .status
                .parse()
                .map_err(|_| StoreError::Corrupt("an unknown interaction status".into()))?,
            reason: row
                .reason
                .parse()
                .map_err(|_| StoreError::Corrupt("an unknown interaction reason".into()))?,
            intent: row
                .intent
                .map(|intent| word(&intent, "an unknown intent"))
                .transpose()?,
            assignee: row.assignee,
            next_action_at: time::at_opt(row.next_action_at)?,
            notified_at: time::at_opt(row.notified_at)?,
            creator: row.creator,
            created_at: time::at(row.created_at)?,
            updated_at: time::at(row.updated_at)?,
        })
    }
}

pub(crate) const SELECT: &str =
    "SELECT id, contact_id, status, reason, intent, assignee, next_action_at, notified_at, creator, created_at,
     updated_at FROM interactions WHERE tenant_id = ";

/// The inbox's statement, with only the conditions that were asked for, so that each has its index.
macro_rules! inbox {
    ($tenant:expr, $filter:expr, $after:expr, $limit:expr) => {{
        let mut query = QueryBuilder::new($crate::interactions::SELECT);
        query.push_bind($tenant.0);
        if let Some(status) = $filter.status {
            query.push(" AND status = ").push_bind(status.as_str());
        }
        if let Some(assignee) = &$filter.assignee {
            query.push(" AND assignee = ").push_bind(assignee.as_str());
        }
        $crate::page::push_newest_after!(query, "interactions", $after, $limit);
        query
    }};
}
#[cfg(test)]
pub(crate) use inbox;

impl Store {
    /// An interaction by its id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn interaction(&self, tenant: TenantId, id: InteractionId) -> Result<Option<Interaction>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool => {
            let mut query = QueryBuilder::new(SELECT);
            query.push_bind(tenant.0).push(" AND id = ").push_bind(id.0);
            query.build_query_as().fetch_optional(pool).await
        })?;
        row.map(Interaction::try_from).transpose()
    }

    /// A tenant's interactions, newest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn inbox(
        &self,
        tenant: TenantId,
        filter: &InboxFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Interaction>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = inbox!(tenant, filter, after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let items = rows.into_iter().map(Interaction::try_from).collect::<Result<_, _>>()?;
        Ok(Page::of(items, limit, |item: &Interaction| Cursor {
            at: item.created_at,
            id: item.id.0,
        }))
    }
}

/// An interaction that nobody in person creates.
pub(crate) struct NewInteraction {
    pub(crate) id: InteractionId,
    pub(crate) contact: ContactId,
    pub(crate) status: InteractionStatus,
    pub(crate) reason: InteractionReason,
    pub(crate) intent: Option<Intent>,
}

/// Creates an interaction. Once more is harmless.
pub(crate) async fn create(
    tx: &mut Tx,
    tenant: TenantId,
    new: &NewInteraction,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO interactions
                 (id, tenant_id, contact_id, status, reason, intent, creator, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT DO NOTHING")
            .bind(new.id.0)
            .bind(tenant.0)
            .bind(new.contact.0)
            .bind(new.status.as_str())
            .bind(new.reason.as_str())
            .bind(new.intent.map(Intent::as_str))
            .bind(SYSTEM)
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

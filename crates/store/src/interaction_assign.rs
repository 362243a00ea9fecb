//! Giving the work of many interactions to somebody at once.

use chrono::{DateTime, Utc};
use domain::interaction::InteractionField;
use domain::{Actor, InteractionId, TenantId, UserId};
use sqlx::QueryBuilder;
use uuid::Uuid;

use crate::db::Tx;
use crate::interaction_changes::{self, NewChange};
use crate::interaction_drafts::is_member;
use crate::interaction_inbox::{Holder, push_narrowed};
use crate::page::LIMIT_MAX;
use crate::{InboxFilter, Store, StoreError, reminder_marks};

/// Which interactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// These; who names more than [`ASSIGNED_AT_ONCE_MAX`] is not heard of the rest.
    These(Vec<InteractionId>),
    /// What the inbox would show.
    Of(InboxFilter),
}

/// So many are given at once, so that nobody waits for their locks for long.
pub const ASSIGNED_AT_ONCE_MAX: usize = LIMIT_MAX as usize;

/// What came of giving many to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assigned {
    /// So many had another assignee before. If there are `more`, asking the same again goes on.
    Done {
        /// How many.
        assigned: usize,
        /// Whether others match that were not reached.
        more: bool,
    },
    /// Nobody of that id is a member.
    AssigneeUnknown,
}

impl Store {
    /// Gives interactions to `assignee`, or to nobody; those that are theirs already stay as they are, and so do ids that
    /// the tenant does not have. What a filter found is given if it is still so when it is given: what somebody took
    /// meanwhile from nobody's work is theirs. Whoever calls has made sure that `actor` may.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn assign_interactions(
        &self,
        tenant: TenantId,
        which: &Which,
        assignee: Option<UserId>,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<Assigned, StoreError> {
        let (mut ids, still): (Vec<Uuid>, _) = match which {
            Which::These(ids) => (ids.iter().map(|id| id.0).collect(), None),
            Which::Of(filter) => {
                let except = Some(Holder::of(assignee));
                let found = self.inbox_except(tenant, filter, except, None, LIMIT_MAX).await?;
                (found.into_iter().map(|found| found.id.0).collect(), Some(filter))
            }
        };
        let more = ids.len() > ASSIGNED_AT_ONCE_MAX;
        ids.truncate(ASSIGNED_AT_ONCE_MAX);
        let mut tx = self.db.begin().await?;
        if !is_member(&mut tx, tenant, assignee).await? {
            return Ok(Assigned::AssigneeUnknown);
        }
        let assigned = give(&mut tx, tenant, &ids, still, assignee, actor, now).await?;
        tx.commit().await?;
        Ok(Assigned::Done { assigned, more })
    }
}

impl Store {
    /// Takes the work away from a member who is about to leave, in steps that keep nobody waiting for long. What they are
    /// given meanwhile is left for [`unassign_all`].
    pub(crate) async fn unassign_in_steps(
        &self,
        tenant: TenantId,
        member: UserId,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        loop {
            let mut tx = self.db.begin().await?;
            let ids = work_of(&mut tx, tenant, member).await?;
            give(&mut tx, tenant, &ids, None, None, actor, now).await?;
            tx.commit().await?;
            if ids.len() < LIMIT_MAX as usize {
                return Ok(());
            }
        }
    }
}

/// Takes what work is left away from a member, who is about to leave, so that it is nobody's. Nobody is given any more until
/// the transaction ends.
pub(crate) async fn unassign_all(
    tx: &mut Tx,
    tenant: TenantId,
    member: UserId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let lock = match tx {
        Tx::Postgres(_) => "SELECT 1 FROM memberships WHERE tenant_id = $1 AND user_id = $2 FOR UPDATE",
        Tx::Sqlite(_) => "SELECT 1 FROM memberships WHERE tenant_id = $1 AND user_id = $2",
    };
    let _: Option<i32> = on!(tx.connection(), connection =>
        sqlx::query_scalar(lock).bind(tenant.0).bind(member.0).fetch_optional(connection).await)?;
    loop {
        let ids = work_of(tx, tenant, member).await?;
        if ids.is_empty() {
            return Ok(());
        }
        give(tx, tenant, &ids, None, None, actor, now).await?;
    }
}

/// Some of a member's work.
async fn work_of(tx: &mut Tx, tenant: TenantId, member: UserId) -> Result<Vec<Uuid>, StoreError> {
    Ok(on!(tx.connection(), connection =>
        sqlx::query_scalar(
            "SELECT id FROM interactions WHERE tenant_id = $1 AND assignee = $2 AND assignee IS NOT NULL LIMIT $3")
            .bind(tenant.0)
            .bind(member.0)
            .bind(i64::from(LIMIT_MAX))
            .fetch_all(connection)
            .await)?)
}

/// Gives these to somebody, as far as they are `still` what was looked for; answers how many were not theirs.
async fn give(
    tx: &mut Tx,
    tenant: TenantId,
    ids: &[Uuid],
    still: Option<&InboxFilter>,
    assignee: Option<UserId>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    if ids.is_empty() {
        return Ok(0);
    }
    // In the order of their ids, so that two who give the same never wait for each other.
    let lock = match tx {
        Tx::Postgres(_) => " ORDER BY interaction.id FOR UPDATE",
        Tx::Sqlite(_) => " ORDER BY interaction.id",
    };
    let found: Vec<(Uuid, i64, Option<Uuid>)> = on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new(
            "SELECT interaction.id, interaction.version, interaction.assignee FROM interactions interaction
             WHERE interaction.tenant_id = ");
        query.push_bind(tenant.0);
        query.push(" AND interaction.holder <> ").push_bind(Holder::of(assignee).stored());
        if let Some(filter) = still {
            push_narrowed!(query, filter.holder, filter.status, filter.planned, false);
        }
        query.push(" AND interaction.id");
        push_in!(query, id in ids => *id);
        query.push(lock);
        query.build_query_as().fetch_all(connection).await
    })?;
    if found.is_empty() {
        return Ok(0);
    }
    on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new("UPDATE interactions SET version = version + 1, assignee = ");
        query.push_bind(assignee.map(|assignee| assignee.0));
        query.push(", updated_at = ").push_bind(now.timestamp_millis());
        // Who could not be told was not; whose work it is now is told.
        query.push(", notified_at = CASE WHEN warning IS NULL THEN notified_at END, warning = NULL");
        query.push(" WHERE tenant_id = ").push_bind(tenant.0).push(" AND id");
        push_in!(query, (id, _, _) in &found => *id);
        query.build().execute(connection).await.map(|_| ())
    })?;
    let changes: Vec<_> = found
        .iter()
        .map(|(id, version, before)| NewChange {
            interaction: *id,
            version: version + 1,
            field: InteractionField::Assignee,
            before: before.map(|before| before.to_string()),
            after: assignee.map(|assignee| assignee.to_string()),
        })
        .collect();
    interaction_changes::write(tx, tenant, &changes, actor, now).await?;
    let ids: Vec<Uuid> = found.into_iter().map(|(id, _, _)| id).collect();
    match assignee {
        Some(assignee) => reminder_marks::pass_on(tx, tenant, &ids, assignee).await?,
        None => {
            reminder_marks::forget(tx, tenant, &ids).await?;
        }
    }
    Ok(ids.len())
}

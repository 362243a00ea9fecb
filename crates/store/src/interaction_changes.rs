//! What became of interactions: one row for each change that a person made.

use chrono::{DateTime, Utc};
use domain::interaction::InteractionField;
use domain::{Actor, InteractionId, TenantId};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::word;
use crate::page::{LIMIT_MAX, rows_for};
use crate::{Store, StoreError, time};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InteractionChange {
    /// The version that it made.
    pub version: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Actor,
    /// What changed.
    pub field: InteractionField,
    /// What stood there: a status, a member's id, a time.
    pub before: Option<String>,
    /// What stands there since.
    pub after: Option<String>,
}

#[derive(FromRow)]
struct Row {
    version: i64,
    at: i64,
    actor: String,
    field: String,
    before: Option<String>,
    after: Option<String>,
}

impl TryFrom<Row> for InteractionChange {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            version: row.version.unsigned_abs(),
            at: time::at(row.at)?,
            actor: word(&row.actor, "an unknown actor")?,
            field: word(&row.field, "an unknown field of an interaction")?,
            before: row.before,
            after: row.after,
        })
    }
}

/// The list's statement.
pub(crate) const LIST: &str = "SELECT version, at, actor, field, before, after FROM interaction_changes
     WHERE tenant_id = $1 AND interaction_id = $2 AND version < $3 ORDER BY version DESC LIMIT $4";

impl Store {
    /// An interaction's changes, the latest first, and where to go on if there are more: below that version. `None`: there
    /// is no such interaction.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn interaction_changes(
        &self,
        tenant: TenantId,
        id: InteractionId,
        below: Option<u64>,
        limit: u32,
    ) -> Result<Option<(Vec<InteractionChange>, Option<u64>)>, StoreError> {
        let below = below.map_or(i64::MAX, |below| i64::try_from(below).unwrap_or(i64::MAX));
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(LIST)
                .bind(tenant.0)
                .bind(id.0)
                .bind(below)
                .bind(rows_for(limit))
                .fetch_all(pool)
                .await)?;
        if rows.is_empty() && self.interaction(tenant, id).await?.is_none() {
            return Ok(None);
        }
        let mut changes: Vec<InteractionChange> = rows
            .into_iter()
            .map(InteractionChange::try_from)
            .collect::<Result<_, _>>()?;
        let limit = limit.clamp(1, LIMIT_MAX) as usize;
        let more = changes.len() > limit;
        changes.truncate(limit);
        let next = changes.last().filter(|_| more).map(|last| last.version);
        Ok(Some((changes, next)))
    }
}

/// A change to be written down.
pub(crate) struct NewChange {
    pub(crate) interaction: Uuid,
    pub(crate) version: i64,
    pub(crate) field: InteractionField,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// Writes changes down that one actor made at once.
pub(crate) async fn write(
    tx: &mut Tx,
    tenant: TenantId,
    changes: &[NewChange],
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let actor = actor.to_string();
    on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new(
            "INSERT INTO interaction_changes
                 (tenant_id, interaction_id, version, at, actor, field, before, after) ");
        query.push_values(changes, |mut row, change| {
            row.push_bind(tenant.0)
                .push_bind(change.interaction)
                .push_bind(change.version)
                .push_bind(now.timestamp_millis())
                .push_bind(actor.as_str())
                .push_bind(change.field.as_str())
                .push_bind(change.before.as_deref())
                .push_bind(change.after.as_deref());
        });
        query.build().execute(connection).await.map(|_| ())
    })?;
    Ok(())
}

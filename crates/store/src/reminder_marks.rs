//! What becomes of marks and reminders when the work changes, or when a message does not arrive. The marks are set in
//! `reminders.rs`.

use domain::interaction::Warning;
use domain::{MessageId, TenantId, UserId};
use sqlx::{AssertSqlSafe, QueryBuilder};
use uuid::Uuid;

use crate::StoreError;
use crate::db::Tx;

/// What a message was to tell.
pub(crate) const TOLD_BY: &str = "SELECT id FROM interactions
     WHERE tenant_id = $1 AND told_by = $2 AND told_by IS NOT NULL AND notified_at IS NOT NULL ORDER BY id";

/// A message did not arrive: whoever it was to tell of something was not told.
pub(crate) async fn not_delivered(tx: &mut Tx, tenant: TenantId, message: MessageId) -> Result<(), StoreError> {
    // In the order of their ids, as everybody who locks several.
    let statement = match tx {
        Tx::Postgres(_) => format!("{TOLD_BY} FOR UPDATE"),
        Tx::Sqlite(_) => TOLD_BY.to_owned(),
    };
    let told: Vec<Uuid> = on!(tx.connection(), connection =>
        sqlx::query_scalar(AssertSqlSafe(statement))
            .bind(tenant.0)
            .bind(message.0)
            .fetch_all(connection)
            .await)?;
    if told.is_empty() {
        return Ok(());
    }
    on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new("UPDATE interactions SET warning = ");
        query.push_bind(Warning::NotDelivered.as_str());
        query.push(" WHERE tenant_id = ").push_bind(tenant.0).push(" AND id");
        push_in!(query, id in &told => *id);
        query.build().execute(connection).await.map(|_| ())
    })?;
    Ok(())
}

/// Forgets what was not told yet of these interactions, because it is not so any more, and takes their marks away: should it
/// be so again, it has not been told. Answers how many it were.
pub(crate) async fn forget(tx: &mut Tx, tenant: TenantId, interactions: &[Uuid]) -> Result<usize, StoreError> {
    let forgotten: Vec<Uuid> = on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new("DELETE FROM reminders WHERE batch IS NULL AND tenant_id = ");
        query.push_bind(tenant.0).push(" AND interaction_id");
        push_in!(query, id in interactions => *id);
        query.push(" RETURNING interaction_id");
        query.build_query_scalar().fetch_all(connection).await
    })?;
    if forgotten.is_empty() {
        return Ok(0);
    }
    on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new("UPDATE interactions SET notified_at = NULL WHERE tenant_id = ");
        query.push_bind(tenant.0).push(" AND id");
        push_in!(query, id in &forgotten => *id);
        query.build().execute(connection).await.map(|_| ())
    })?;
    Ok(forgotten.len())
}

/// Has what was not told yet of these interactions told to whose work they are now.
pub(crate) async fn pass_on(
    tx: &mut Tx,
    tenant: TenantId,
    interactions: &[Uuid],
    to: UserId,
) -> Result<(), StoreError> {
    on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new("UPDATE reminders SET assignee = ");
        query.push_bind(to.0);
        query.push(" WHERE batch IS NULL AND tenant_id = ").push_bind(tenant.0).push(" AND interaction_id");
        push_in!(query, id in interactions => *id);
        query.build().execute(connection).await.map(|_| ())
    })?;
    Ok(())
}

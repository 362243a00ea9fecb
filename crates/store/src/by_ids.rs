//! Rows that name one of several.

use domain::TenantId;
use sqlx::QueryBuilder;
use uuid::Uuid;

use crate::StoreError;
use crate::db::Tx;

/// Does something, `DELETE FROM reminders` say, with a tenant's rows that name one of these. Answers how many there were.
pub(crate) async fn act(
    tx: &mut Tx,
    act: &'static str,
    column: &'static str,
    tenant: TenantId,
    ids: &[Uuid],
) -> Result<u64, StoreError> {
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new(format!("{act} WHERE tenant_id = "));
        query.push_bind(tenant.0).push(format!(" AND {column}"));
        push_in!(query, id in ids => *id);
        query.build().execute(connection).await.map(|done| done.rows_affected())
    })?)
}

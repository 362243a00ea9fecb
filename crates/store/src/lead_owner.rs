//! Whose work a lead is.

use domain::{ContactId, CrossingId, Role, TenantId, UserId};
use uuid::Uuid;

use crate::StoreError;
use crate::db::Tx;
use crate::interaction_drafts::is_member;

/// Who the lead is given to, in this order, when nobody has worked with it yet.
const GIVEN_TO: [Role; 3] = [Role::Sales, Role::Admin, Role::Owner];

/// Who had the latest work with a contact, if they are a member still; else one of those who sell, or, if there are none, of
/// admins or owners: shared out evenly, because a crossing's id is random. None if the tenant has no such members. Whoever it
/// is stays a member until the transaction ends.
pub(crate) async fn of(
    tx: &mut Tx,
    tenant: TenantId,
    contact: ContactId,
    crossing: CrossingId,
) -> Result<Option<UserId>, StoreError> {
    let latest: Option<Uuid> = on!(tx.connection(), connection =>
        sqlx::query_scalar(
            "SELECT assignee FROM interactions WHERE tenant_id = $1 AND contact_id = $2 AND assignee IS NOT NULL
             ORDER BY created_at DESC, id DESC LIMIT 1")
            .bind(tenant.0)
            .bind(contact.0)
            .fetch_optional(connection)
            .await)?;
    if let Some(user) = latest.map(UserId)
        && is_member(tx, tenant, Some(user)).await?
    {
        return Ok(Some(user));
    }
    for role in GIVEN_TO {
        let mut members = members_of(tx, tenant, role).await?;
        while !members.is_empty() {
            let place = crossing.0.as_u128() % members.len() as u128;
            let user = members.swap_remove(usize::try_from(place).unwrap_or_default());
            if is_member(tx, tenant, Some(user)).await? {
                return Ok(Some(user));
            }
        }
    }
    Ok(None)
}

async fn members_of(tx: &mut Tx, tenant: TenantId, role: Role) -> Result<Vec<UserId>, StoreError> {
    let members: Vec<Uuid> = on!(tx.connection(), connection =>
        sqlx::query_scalar("SELECT user_id FROM memberships WHERE tenant_id = $1 AND role = $2 ORDER BY user_id")
            .bind(tenant.0)
            .bind(role.as_str())
            .fetch_all(connection)
            .await)?;
    Ok(members.into_iter().map(UserId).collect())
}

//! Invitations to become a member. What an invitation is accepted by is computed and lies nowhere; how one is accepted
//! stands in [`redeem`](crate::redeem).

use chrono::{DateTime, Utc};
use domain::sign_in::INVITATION_LIFETIME;
use domain::{Actor, AuditAction, Author, EmailAddress, InvitationId, Role, TenantId};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use crate::audit_log::{self, NewAuditEntry};
use crate::messages::{text, word};
use crate::tenants::{context, new_id};
use crate::{Cursor, Page, Store, StoreError, time};

/// Somebody who was asked to become a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// Who was asked.
    pub email: EmailAddress,
    /// What they would be.
    pub role: Role,
    /// Who asked.
    pub invited_by: Actor,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Until when it can be accepted.
    pub expires_at: DateTime<Utc>,
    /// When it was.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When it was taken back, by whoever asked or by a later one for the same address.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The statement of a list, the newest first.
macro_rules! list {
    ($tenant:expr, $after:expr, $limit:expr) => {{
        let mut query = sqlx::QueryBuilder::new(
            "SELECT id, email, role, invited_by, created_at, expires_at, accepted_at, revoked_at FROM invitations
             WHERE tenant_id = ",
        );
        query.push_bind($tenant.0);
        $crate::page::push_newest_after!(query, "invitations", $after, $limit);
        query
    }};
}
#[cfg(test)]
pub(crate) use list;

impl Store {
    /// Invites somebody. An invitation of theirs that is open ends. Whether `author` may give the role is for the caller to
    /// ask.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the tenant is gone; [`StoreError::Conflict`] when they are invited in the same moment.
    pub async fn invite(
        &self,
        tenant: TenantId,
        email: &EmailAddress,
        role: Role,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<Invitation, StoreError> {
        let hash = self.address_hash_of_user(email).await?;
        let invitation = Invitation {
            id: InvitationId(new_id(now)),
            email: email.clone(),
            role,
            invited_by: author.actor.clone(),
            created_at: time::stored(now),
            expires_at: time::stored(now) + INVITATION_LIFETIME,
            accepted_at: None,
            revoked_at: None,
        };
        let id = invitation.id.0;
        let sealed = self
            .keyring
            .seal(&context("invitation.email", id), email.expose().as_bytes());
        let mut tx = self.db.begin().await?;
        on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE invitations SET revoked_at = $3
                 WHERE tenant_id = $1 AND email_hash = $2 AND accepted_at IS NULL AND revoked_at IS NULL")
                .bind(tenant.0)
                .bind(&hash)
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|_| ()))?;
        on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO invitations (tenant_id, id, email_hash, email, role, invited_by, created_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(tenant.0)
                .bind(id)
                .bind(&hash)
                .bind(&sealed)
                .bind(role.as_str())
                .bind(author.actor.to_string())
                .bind(now.timestamp_millis())
                .bind(invitation.expires_at.timestamp_millis())
                .execute(connection)
                .await
                .map(|_| ()))?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::MemberInvited, invitation.id);
        let after = json!({ "email": email.to_string(), "role": role });
        audit_log::write(&mut tx, &entry.changed(None, after), now).await?;
        tx.commit().await?;
        Ok(invitation)
    }

    /// A tenant's invitations, newest first, those that have ended too.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when an address was sealed under a key that is not in the keyring.
    pub async fn invitations(
        &self,
        tenant: TenantId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Invitation>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = list!(tenant, after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let invitations: Result<Vec<_>, _> = rows.into_iter().map(|row| self.open_invitation(row)).collect();
        Ok(Page::of(invitations?, limit, |invitation| Cursor {
            at: invitation.created_at,
            id: invitation.id.0,
        }))
    }

    /// Takes an open invitation back. Answers whether there was one.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn revoke_invitation(
        &self,
        tenant: TenantId,
        id: InvitationId,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let revoked = on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE invitations SET revoked_at = $3
                 WHERE tenant_id = $1 AND id = $2 AND accepted_at IS NULL AND revoked_at IS NULL")
                .bind(tenant.0)
                .bind(id.0)
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|done| done.rows_affected()))?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::InvitationRevoked, id);
        audit_log::commit(tx, revoked, &entry, now).await
    }

    fn open_invitation(&self, row: Row) -> Result<Invitation, StoreError> {
        let email = text(&self.keyring, "invitation.email", row.id, Some(row.email))?
            .and_then(|email| EmailAddress::parse(&email).ok())
            .ok_or(StoreError::Corrupt("who was invited".into()))?;
        Ok(Invitation {
            id: InvitationId(row.id),
            email,
            role: word(&row.role, "an unknown role")?,
            invited_by: word(&row.invited_by, "an unknown actor")?,
            created_at: time::at(row.created_at)?,
            expires_at: time::at(row.expires_at)?,
            accepted_at: time::at_opt(row.accepted_at)?,
            revoked_at: time::at_opt(row.revoked_at)?,
        })
    }
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    email: Vec<u8>,
    role: String,
    invited_by: String,
    created_at: i64,
    expires_at: i64,
    accepted_at: Option<i64>,
    revoked_at: Option<i64>,
}

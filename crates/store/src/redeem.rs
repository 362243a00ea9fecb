//! Coming in: a link or an invitation is used up, and a session begins, in one transaction.

use chrono::{DateTime, Utc};
use domain::{
    Actor, AuditAction, Author, EmailAddress, InvitationId, Notify, Origin, TenantId, Token, TokenKind, UserId,
};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use crate::audit_log::{self, NewAuditEntry};
use crate::db::Tx;
use crate::members::{NewMember, USERS};
use crate::messages::{text, word};
use crate::sessions::{Session, begin};
use crate::{Store, StoreError};

impl Store {
    /// Lets in who holds a link, once: of any number who come with it at once, from whatever process, one. An invitation
    /// makes them a member. `None`: the link is not good, for whatever reason, or not for the tenant that was named.
    ///
    /// # Errors
    /// Those of the database, and of what is sealed.
    pub async fn redeem(
        &self,
        token: &Token,
        only: Option<TenantId>,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>, StoreError> {
        if !token.is_good_at(now) || only.is_some_and(|only| only != token.tenant) {
            return Ok(None);
        }
        let mut tx = self.db.begin().await?;
        let user = match token.kind {
            TokenKind::SignIn => use_link(&mut tx, token, now).await?,
            TokenKind::Invitation => self.accept(&mut tx, token, origin, now).await?,
            TokenKind::Session => None,
        };
        let Some(user) = user else { return Ok(None) };
        let session = begin(&mut tx, token.tenant, user, now).await?;
        let entry = NewAuditEntry::of(token.tenant, &of_user(user, origin), AuditAction::SignedIn, session.id);
        audit_log::write(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(Some(session))
    }

    /// Makes a member of who was invited; who is one already stays what they are.
    async fn accept(
        &self,
        tx: &mut Tx,
        token: &Token,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<Option<UserId>, StoreError> {
        tx.serialise_on(USERS).await?;
        let accepted: Option<Accepted> = on!(tx.connection(), connection =>
            sqlx::query_as(
                "UPDATE invitations SET accepted_at = $3
                 WHERE tenant_id = $1 AND id = $2 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $3
                 RETURNING email_hash, email, role")
                .bind(token.tenant.0)
                .bind(token.id)
                .bind(now.timestamp_millis())
                .fetch_optional(connection)
                .await)?;
        let Some(accepted) = accepted else { return Ok(None) };
        if let Some(user) = member_by_hash(tx, token.tenant, &accepted.email_hash).await? {
            return Ok(Some(user));
        }
        let email = text(&self.keyring, "invitation.email", token.id, Some(accepted.email))?
            .and_then(|email| EmailAddress::parse(&email).ok())
            .ok_or(StoreError::Corrupt("who was invited".into()))?;
        let new = NewMember {
            email,
            role: word(&accepted.role, "an unknown role")?,
            name: None,
            notify: Notify::Email,
            language: None,
        };
        let member = self
            .insert_member(tx, token.tenant, &new, &accepted.email_hash, now)
            .await?;
        let author = of_user(member.user, origin);
        let entry = NewAuditEntry::of(token.tenant, &author, AuditAction::MemberAdded, member.user);
        let after = json!({ "role": member.role, "invitation": InvitationId(token.id) });
        audit_log::write(tx, &entry.changed(None, after), now).await?;
        Ok(Some(member.user))
    }
}

fn of_user(user: UserId, origin: &Origin) -> Author {
    Author {
        actor: Actor::User(user),
        origin: origin.clone(),
    }
}

/// Uses a link up. The database says who was first.
async fn use_link(tx: &mut Tx, token: &Token, now: DateTime<Utc>) -> Result<Option<UserId>, StoreError> {
    let user: Option<Uuid> = on!(tx.connection(), connection =>
        sqlx::query_scalar(
            "UPDATE sign_in_links SET used_at = $3
             WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL AND expires_at > $3 RETURNING user_id")
            .bind(token.tenant.0)
            .bind(token.id)
            .bind(now.timestamp_millis())
            .fetch_optional(connection)
            .await)?;
    Ok(user.map(UserId))
}

async fn member_by_hash(tx: &mut Tx, tenant: TenantId, hash: &[u8]) -> Result<Option<UserId>, StoreError> {
    let user: Option<Uuid> = on!(tx.connection(), connection =>
        sqlx::query_scalar(
            "SELECT membership.user_id FROM users JOIN memberships membership ON membership.user_id = users.id
             WHERE users.email_hash = $1 AND membership.tenant_id = $2")
            .bind(hash)
            .bind(tenant.0)
            .fetch_optional(connection)
            .await)?;
    Ok(user.map(UserId))
}

#[derive(FromRow)]
struct Accepted {
    email_hash: Vec<u8>,
    email: Vec<u8>,
    role: String,
}

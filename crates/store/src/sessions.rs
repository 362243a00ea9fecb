//! Sessions: what somebody has who was [let in](crate::redeem).

use chrono::{DateTime, TimeDelta, Utc};
use domain::sign_in::{SESSION_LIFETIME, is_generation_good, token_expires_at};
use domain::{AuditAction, Author, Role, SessionId, TenantId, Token, TokenKind, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::audit_log::{self, NewAuditEntry};
use crate::db::Tx;
use crate::messages::word;
use crate::tenants::new_id;
use crate::{Store, StoreError, time};

/// A use is written down at most this often, so that reading through the API does not become writing.
const USE_GRAIN: TimeDelta = TimeDelta::minutes(1);

/// Somebody who is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose data it shows.
    pub tenant: TenantId,
    /// Who is in.
    pub user: UserId,
    /// What they may do, as it is now.
    pub role: Role,
    /// How often its token changed, and that it was made.
    pub generation: u64,
    /// When they came in.
    pub created_at: DateTime<Utc>,
    /// Since when the present token is.
    pub rotated_at: DateTime<Utc>,
    /// Until when the present token is good.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl Session {
    /// What its present token says.
    #[must_use]
    pub fn token(&self) -> Token {
        Token {
            kind: TokenKind::Session,
            tenant: self.tenant,
            id: self.id.0,
            generation: self.generation,
            expires_at: self.expires_at,
        }
    }
}

impl Store {
    /// The session that a token is for, unless the token is old or the session was ended.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn find_session(&self, token: &Token, now: DateTime<Utc>) -> Result<Option<Session>, StoreError> {
        if token.kind != TokenKind::Session || !token.is_good_at(now) {
            return Ok(None);
        }
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(SELECT).bind(token.tenant.0).bind(token.id).fetch_optional(pool).await)?;
        let session = row.map(Session::try_from).transpose()?;
        Ok(session.filter(|session| {
            now < session.expires_at
                && is_generation_good(token.generation, session.generation, session.rotated_at, now)
        }))
    }

    /// Puts a new token in the place of the present one. `None`: `token` is not the present one, or the session has ended
    /// or lasted as long as it may.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn rotate_session(&self, token: &Token, now: DateTime<Utc>) -> Result<Option<Session>, StoreError> {
        let found = self.find_session(token, now).await?;
        let Some(session) = found.filter(|session| session.generation == token.generation) else {
            return Ok(None);
        };
        let Some(expires_at) = token_expires_at(session.created_at, now) else {
            return Ok(None);
        };
        let rotated = write_on!(self.db, pool =>
            sqlx::query(
                "UPDATE sessions SET generation = generation + 1, rotated_at = $4, expires_at = $5
                 WHERE tenant_id = $1 AND id = $2 AND generation = $3 AND revoked_at IS NULL")
                .bind(session.tenant.0)
                .bind(session.id.0)
                .bind(number(session.generation)?)
                .bind(now.timestamp_millis())
                .bind(expires_at.timestamp_millis())
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
        Ok((rotated > 0).then(|| Session {
            generation: session.generation + 1,
            rotated_at: time::stored(now),
            expires_at: time::stored(expires_at),
            ..session
        }))
    }

    /// Notes that a session was used, at most once a minute.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn touch_session(&self, session: &Session, now: DateTime<Utc>) -> Result<(), StoreError> {
        if session.last_used_at.is_some_and(|last| now - last < USE_GRAIN) {
            return Ok(());
        }
        write_on!(self.db, pool =>
            sqlx::query(
                "UPDATE sessions SET last_used_at = $3
                 WHERE tenant_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $4)")
                .bind(session.tenant.0)
                .bind(session.id.0)
                .bind(now.timestamp_millis())
                .bind((now - USE_GRAIN).timestamp_millis())
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(())
    }

    /// Ends sessions of a member at once: one, or all they have. Answers how many.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn end_sessions(
        &self,
        tenant: TenantId,
        user: UserId,
        only: Option<SessionId>,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let ended: Vec<Uuid> = on!(tx.connection(), connection =>
            sqlx::query_scalar(
                "UPDATE sessions SET revoked_at = $3
                 WHERE tenant_id = $1 AND user_id = $2 AND ($4 IS NULL OR id = $4) AND revoked_at IS NULL AND expires_at > $3
                 RETURNING id")
                .bind(tenant.0)
                .bind(user.0)
                .bind(now.timestamp_millis())
                .bind(only.map(|only| only.0))
                .fetch_all(connection)
                .await)?;
        for id in &ended {
            let entry = NewAuditEntry::of(tenant, author, AuditAction::SignedOut, id);
            audit_log::write(&mut tx, &entry, now).await?;
        }
        tx.commit().await?;
        Ok(ended.len() as u64)
    }
}

/// Begins a session within the transaction that let its member in.
pub(crate) async fn begin(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Session, StoreError> {
    let expires_at = token_expires_at(now, now).unwrap_or(now + SESSION_LIFETIME);
    let id = new_id(now);
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO sessions (tenant_id, id, user_id, generation, created_at, rotated_at, expires_at)
             VALUES ($1, $2, $3, 1, $4, $4, $5)")
            .bind(tenant.0)
            .bind(id)
            .bind(user.0)
            .bind(now.timestamp_millis())
            .bind(expires_at.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    let row: Row = on!(tx.connection(), connection =>
        sqlx::query_as(SELECT).bind(tenant.0).bind(id).fetch_one(connection).await)?;
    row.try_into()
}

/// A session that was not ended, with what its member may do now.
const SELECT: &str = "SELECT session.tenant_id, session.id, session.user_id, session.generation, session.created_at,
         session.rotated_at, session.expires_at, session.last_used_at, membership.role
     FROM sessions session JOIN memberships membership
         ON membership.tenant_id = session.tenant_id AND membership.user_id = session.user_id
     WHERE session.tenant_id = $1 AND session.id = $2 AND session.revoked_at IS NULL";

#[derive(FromRow)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    user_id: Uuid,
    generation: i64,
    created_at: i64,
    rotated_at: i64,
    expires_at: i64,
    last_used_at: Option<i64>,
    role: String,
}

impl TryFrom<Row> for Session {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: SessionId(row.id),
            tenant: TenantId(row.tenant_id),
            user: UserId(row.user_id),
            role: word(&row.role, "an unknown role")?,
            generation: u64::try_from(row.generation).map_err(|_| StoreError::Corrupt("a generation".into()))?,
            created_at: time::at(row.created_at)?,
            rotated_at: time::at(row.rotated_at)?,
            expires_at: time::at(row.expires_at)?,
            last_used_at: time::at_opt(row.last_used_at)?,
        })
    }
}

fn number(generation: u64) -> Result<i64, StoreError> {
    i64::try_from(generation).map_err(|_| StoreError::Corrupt("a generation".into()))
}

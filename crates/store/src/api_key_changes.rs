//! Making API keys, changing them over, and taking them out of use. Whatever is done is written into the audit log with it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ApiKeyId, AuditAction, Author, Role, TenantId, api_key};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::api_keys::{self, ApiKey, PREFIX, hash};
use crate::audit_log::{self, NewAuditEntry};
use crate::db::Tx;
use crate::tenants::new_id;
use crate::{Store, StoreError, time};

/// A key about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRequest {
    /// What it is to allow.
    pub role: Role,
    /// What the tenant calls it.
    pub name: Option<String>,
    /// Until when it is to be good, if not for ever.
    pub expires_at: Option<DateTime<Utc>>,
}

impl From<Role> for ApiKeyRequest {
    fn from(role: Role) -> Self {
        Self {
            role,
            name: None,
            expires_at: None,
        }
    }
}

/// A new key with its clear text, which is shown now and never again.
#[derive(Debug)]
pub struct NewApiKey {
    /// What is stored of it.
    pub key: ApiKey,
    /// What its holder sends: `rk_` and 64 hexadecimal digits.
    pub clear: SecretString,
}

impl Store {
    /// Creates a key. Whether `author` may give the role is for the caller to ask.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such tenant.
    pub async fn create_api_key(
        &self,
        tenant: TenantId,
        request: impl Into<ApiKeyRequest>,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<NewApiKey, StoreError> {
        let mut tx = self.db.begin().await?;
        let new = insert(&mut tx, tenant, request.into(), None, now).await?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::KeyCreated, new.key.id);
        audit_log::write(&mut tx, &entry.changed(None, shown(&new.key)), now).await?;
        tx.commit().await?;
        Ok(new)
    }

    /// Makes a key that takes the place of another, with its role and name. The other one stays good for `overlap`, so that
    /// whoever uses it can change over. `None`: there is no such key that is good, or another has taken its place already;
    /// then that one is the one to rotate.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn rotate_api_key(
        &self,
        tenant: TenantId,
        id: ApiKeyId,
        overlap: TimeDelta,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<Option<NewApiKey>, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(id.0).await?;
        let key = api_keys::find(&mut tx, id).await?;
        let key = key.filter(|key| key.tenant == tenant && key.is_good_at(now));
        let Some(key) = key else { return Ok(None) };
        if is_replaced(&mut tx, &key).await? {
            return Ok(None);
        }
        let rotation = api_key::rotate(key.created_at, key.expires_at, overlap, now);
        on!(tx.connection(), connection =>
            sqlx::query("UPDATE api_keys SET expires_at = $2 WHERE id = $1")
                .bind(id.0)
                .bind(rotation.old_until.timestamp_millis())
                .execute(connection)
                .await
                .map(|_| ()))?;
        let request = ApiKeyRequest {
            role: key.role,
            name: key.name.clone(),
            expires_at: rotation.new_until,
        };
        let new = insert(&mut tx, tenant, request, Some(id), now).await?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::KeyRotated, new.key.id);
        audit_log::write(&mut tx, &entry.changed(shown(&key), shown(&new.key)), now).await?;
        tx.commit().await?;
        Ok(Some(new))
    }

    /// Takes a key out of use. Answers whether it was in use.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn revoke_api_key(
        &self,
        tenant: TenantId,
        id: ApiKeyId,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let revoked = on!(tx.connection(), connection =>
            sqlx::query("UPDATE api_keys SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL")
                .bind(tenant.0)
                .bind(id.0)
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|done| done.rows_affected()))?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::KeyRevoked, id);
        audit_log::commit(tx, revoked, &entry, now).await
    }
}

async fn is_replaced(tx: &mut Tx, key: &ApiKey) -> Result<bool, StoreError> {
    let by: Option<Uuid> = on!(tx.connection(), connection =>
        sqlx::query_scalar("SELECT id FROM api_keys WHERE tenant_id = $1 AND replaces = $2 LIMIT 1")
            .bind(key.tenant.0)
            .bind(key.id.0)
            .fetch_optional(connection)
            .await)?;
    Ok(by.is_some())
}

async fn insert(
    tx: &mut Tx,
    tenant: TenantId,
    request: ApiKeyRequest,
    replaces: Option<ApiKeyId>,
    now: DateTime<Utc>,
) -> Result<NewApiKey, StoreError> {
    let clear = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
    let key = ApiKey {
        id: ApiKeyId(new_id(now)),
        tenant,
        role: request.role,
        name: request.name,
        replaces,
        created_at: time::stored(now),
        last_used_at: None,
        expires_at: request.expires_at.map(time::stored),
        revoked_at: None,
    };
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO api_keys (id, tenant_id, key_hash, role, name, replaces, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(key.id.0)
            .bind(tenant.0)
            .bind(hash(&clear))
            .bind(key.role.as_str())
            .bind(&key.name)
            .bind(replaces.map(|id| id.0))
            .bind(now.timestamp_millis())
            .bind(key.expires_at.map(|at| at.timestamp_millis()))
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(NewApiKey {
        key,
        clear: clear.into(),
    })
}

/// As much of a key as the audit log shows.
fn shown(key: &ApiKey) -> serde_json::Value {
    json!({ "id": key.id, "role": key.role, "name": key.name, "expires_at": key.expires_at })
}

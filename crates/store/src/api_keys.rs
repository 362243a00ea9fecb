//! API keys. Only a hash is stored: a key has 256 random bits, so nothing slower than SHA-256 is needed to keep it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ApiKeyId, AuditAction, Author, Role, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::audit_log::{self, NewAuditEntry};
use crate::db::Tx;
use crate::tenants::new_id;
use crate::{Store, StoreError, time};

/// In front of every key, so that people and secret scanners recognise one.
const PREFIX: &str = "rk_";

/// A use is written down at most this often, so that reading through the API does not become writing.
const USE_GRAIN: TimeDelta = TimeDelta::minutes(1);

impl ApiKey {
    /// Whether `text` has the form of a key, without asking whether there is such a one.
    #[must_use]
    pub fn looks_like_one(text: &str) -> bool {
        text.strip_prefix(PREFIX)
            .is_some_and(|rest| rest.len() == 64 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

/// A key as it is known after its creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it allows.
    pub role: Role,
    /// What the tenant calls it.
    pub name: Option<String>,
    /// The key that it took the place of.
    pub replaces: Option<ApiKeyId>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Until when it is good, if not for ever.
    pub expires_at: Option<DateTime<Utc>>,
    /// Since when it is out of use.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl ApiKey {
    /// Whether it opens anything.
    #[must_use]
    pub fn is_good_at(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

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

#[derive(FromRow)]
struct Row {
    id: Uuid,
    tenant_id: Uuid,
    role: String,
    name: Option<String>,
    replaces: Option<Uuid>,
    created_at: i64,
    last_used_at: Option<i64>,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
}

/// What every look-up of keys begins with.
const SELECT: &str =
    "SELECT id, tenant_id, role, name, replaces, created_at, last_used_at, expires_at, revoked_at FROM api_keys WHERE ";

impl TryFrom<Row> for ApiKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: ApiKeyId(row.id),
            tenant: TenantId(row.tenant_id),
            role: row
                .role
                .parse()
                .map_err(|_| StoreError::Corrupt("an unknown role".into()))?,
            name: row.name,
            replaces: row.replaces.map(ApiKeyId),
            created_at: time::at(row.created_at)?,
            last_used_at: time::at_opt(row.last_used_at)?,
            expires_at: time::at_opt(row.expires_at)?,
            revoked_at: time::at_opt(row.revoked_at)?,
        })
    }
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

    /// Makes a key that takes the place of another: the same role and name, good as long as that one was. The other one
    /// stays good for `overlap`, so that whoever uses it can change over. `None`: there is no such key that is good.
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
        let row: Option<Row> = on!(tx.connection(), connection => {
            let mut query = QueryBuilder::new(SELECT);
            query.push("tenant_id = ").push_bind(tenant.0).push(" AND id = ").push_bind(id.0);
            query.build_query_as().fetch_optional(connection).await
        })?;
        let key = row.map(ApiKey::try_from).transpose()?;
        let Some(key) = key.filter(|key| key.is_good_at(now)) else {
            return Ok(None);
        };
        let ends_at = key.expires_at.map_or(now + overlap, |at| at.min(now + overlap));
        on!(tx.connection(), connection =>
            sqlx::query("UPDATE api_keys SET expires_at = $3 WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .bind(ends_at.timestamp_millis())
                .execute(connection)
                .await
                .map(|_| ()))?;
        let request = ApiKeyRequest {
            role: key.role,
            name: key.name.clone(),
            expires_at: key.expires_at.map(|at| now + (at - key.created_at)),
        };
        let new = insert(&mut tx, tenant, request, Some(id), now).await?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::KeyRotated, new.key.id);
        audit_log::write(&mut tx, &entry.changed(shown(&key), shown(&new.key)), now).await?;
        tx.commit().await?;
        Ok(Some(new))
    }

    /// The key that `clear` is, if it is good.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn find_api_key(&self, clear: &SecretString, now: DateTime<Utc>) -> Result<Option<ApiKey>, StoreError> {
        // The look-up is by the hash of a secret: how long it takes says nothing about the secret.
        let hash = hash(clear.expose_secret());
        let row: Option<Row> = on!(self.db.reader(), pool => {
            let mut query = QueryBuilder::new(SELECT);
            query.push("key_hash = ").push_bind(hash);
            query.build_query_as().fetch_optional(pool).await
        })?;
        let key = row.map(ApiKey::try_from).transpose()?;
        Ok(key.filter(|key| key.is_good_at(now)))
    }

    /// A key of a tenant's, whether it is good or not.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn api_key(&self, tenant: TenantId, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool => {
            let mut query = QueryBuilder::new(SELECT);
            query.push("tenant_id = ").push_bind(tenant.0).push(" AND id = ").push_bind(id.0);
            query.build_query_as().fetch_optional(pool).await
        })?;
        row.map(ApiKey::try_from).transpose()
    }

    /// Notes that a key was used, at most once a minute.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn touch_api_key(&self, key: &ApiKey, now: DateTime<Utc>) -> Result<(), StoreError> {
        if key.last_used_at.is_some_and(|last| now - last < USE_GRAIN) {
            return Ok(());
        }
        on!(self.db.writer(), pool =>
            sqlx::query(
                "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $3)")
                .bind(key.id.0)
                .bind(now.timestamp_millis())
                .bind((now - USE_GRAIN).timestamp_millis())
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(())
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
        if revoked == 0 {
            return Ok(false);
        }
        let entry = NewAuditEntry::of(tenant, author, AuditAction::KeyRevoked, id);
        audit_log::write(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// A tenant's keys, oldest first, those out of use too.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn api_keys(&self, tenant: TenantId) -> Result<Vec<ApiKey>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = QueryBuilder::new(SELECT);
            query.push("tenant_id = ").push_bind(tenant.0).push(" ORDER BY created_at, id");
            query.build_query_as().fetch_all(pool).await
        })?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }
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

fn hash(clear: &str) -> Vec<u8> {
    Sha256::digest(clear.as_bytes()).to_vec()
}

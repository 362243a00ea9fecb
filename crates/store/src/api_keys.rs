//! API keys. Only a hash is stored: a key has 256 random bits, so nothing slower than SHA-256 is needed to keep it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ApiKeyId, Role, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use sqlx::FromRow;
use uuid::Uuid;

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
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Since when it is no longer good.
    pub revoked_at: Option<DateTime<Utc>>,
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
    created_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

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
            created_at: time::at(row.created_at)?,
            last_used_at: time::at_opt(row.last_used_at)?,
            revoked_at: time::at_opt(row.revoked_at)?,
        })
    }
}

impl Store {
    /// Creates a key.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such tenant.
    pub async fn create_api_key(
        &self,
        tenant: TenantId,
        role: Role,
        now: DateTime<Utc>,
    ) -> Result<NewApiKey, StoreError> {
        let clear = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
        let id = ApiKeyId(new_id(now));
        on!(self.db.writer(), pool =>
            sqlx::query("INSERT INTO api_keys (id, tenant_id, key_hash, role, created_at) VALUES ($1, $2, $3, $4, $5)")
                .bind(id.0)
                .bind(tenant.0)
                .bind(hash(&clear))
                .bind(role.as_str())
                .bind(now.timestamp_millis())
                .execute(pool)
                .await
                .map(|_| ()))?;
        let created_at = time::stored(now);
        let key = ApiKey {
            id,
            tenant,
            role,
            created_at,
            last_used_at: None,
            revoked_at: None,
        };
        Ok(NewApiKey {
            key,
            clear: clear.into(),
        })
    }

    /// The key that `clear` is, unless it was revoked.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn find_api_key(&self, clear: &SecretString) -> Result<Option<ApiKey>, StoreError> {
        // The look-up is by the hash of a secret: how long it takes says nothing about the secret.
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT id, tenant_id, role, created_at, last_used_at, revoked_at FROM api_keys
                 WHERE key_hash = $1 AND revoked_at IS NULL")
                .bind(hash(clear.expose_secret()))
                .fetch_optional(pool)
                .await)?;
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
    pub async fn revoke_api_key(&self, tenant: TenantId, id: ApiKeyId, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let revoked = on!(self.db.writer(), pool =>
            sqlx::query("UPDATE api_keys SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL")
                .bind(tenant.0)
                .bind(id.0)
                .bind(now.timestamp_millis())
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(revoked > 0)
    }

    /// A tenant's keys, oldest first, the revoked ones too.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn api_keys(&self, tenant: TenantId) -> Result<Vec<ApiKey>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT id, tenant_id, role, created_at, last_used_at, revoked_at FROM api_keys
                 WHERE tenant_id = $1 ORDER BY created_at, id")
                .bind(tenant.0)
                .fetch_all(pool)
                .await)?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }
}

fn hash(clear: &str) -> Vec<u8> {
    Sha256::digest(clear.as_bytes()).to_vec()
}

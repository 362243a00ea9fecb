//! API keys. Only a hash is stored: a key has 256 random bits, so nothing slower than SHA-256 is needed to keep it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ApiKeyId, Role, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use sqlx::FromRow;
use uuid::Uuid;

use crate::db::Tx;
use crate::{Cursor, Page, Store, StoreError, time};

/// In front of every key, so that people and secret scanners recognise one.
pub(crate) const PREFIX: &str = "rk_";

/// A use is written down at most this often, so that reading through the API does not become writing.
const USE_GRAIN: TimeDelta = TimeDelta::minutes(1);

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
    /// Whether `text` has the form of a key, without asking whether there is such a one.
    #[must_use]
    pub fn looks_like_one(text: &str) -> bool {
        text.strip_prefix(PREFIX)
            .is_some_and(|rest| rest.len() == 64 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
    }

    /// Whether it opens anything.
    #[must_use]
    pub fn is_good_at(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
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

/// Looks keys up: `select!("id = $1")`.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT id, tenant_id, role, name, replaces, created_at, last_used_at, expires_at, revoked_at
             FROM api_keys WHERE ",
            $condition
        )
    };
}

const BY_ID: &str = select!("id = $1");

/// The statement of a list.
macro_rules! list {
    ($tenant:expr, $after:expr, $limit:expr) => {{
        let mut query = sqlx::QueryBuilder::new($crate::api_keys::select!("tenant_id = "));
        query.push_bind($tenant.0);
        $crate::page::push_newest_after!(query, "api_keys", $after, $limit);
        query
    }};
}
#[cfg(test)]
pub(crate) use list;
pub(crate) use select;

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
    /// The key that `clear` is, if it is good.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn find_api_key(&self, clear: &SecretString, now: DateTime<Utc>) -> Result<Option<ApiKey>, StoreError> {
        // The look-up is by the hash of a secret: how long it takes says nothing about the secret.
        let hash = hash(clear.expose_secret());
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(select!("key_hash = $1")).bind(hash).fetch_optional(pool).await)?;
        let key = row.map(ApiKey::try_from).transpose()?;
        Ok(key.filter(|key| key.is_good_at(now)))
    }

    /// A key of a tenant's, whether it is good or not.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn api_key(&self, tenant: TenantId, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let key = self.any_api_key(id).await?;
        Ok(key.filter(|key| key.tenant == tenant))
    }

    /// A key, whosever it is: for operators, who name no tenant.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn any_api_key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(BY_ID).bind(id.0).fetch_optional(pool).await)?;
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
        write_on!(self.db, pool =>
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

    /// A tenant's keys, newest first, those out of use too.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn api_keys(
        &self,
        tenant: TenantId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<ApiKey>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = list!(tenant, after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let keys: Result<Vec<_>, _> = rows.into_iter().map(ApiKey::try_from).collect();
        Ok(Page::of(keys?, limit, |key| Cursor {
            at: key.created_at,
            id: key.id.0,
        }))
    }
}

/// The key of an id, within a transaction.
pub(crate) async fn find(tx: &mut Tx, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
    let row: Option<Row> = on!(tx.connection(), connection =>
        sqlx::query_as(BY_ID).bind(id.0).fetch_optional(connection).await)?;
    row.map(ApiKey::try_from).transpose()
}

/// Whether one key took the place of the other, at once or over others in between: then the same holder has both.
pub(crate) async fn are_of_one_holder(
    tx: &mut Tx,
    tenant: TenantId,
    one: ApiKeyId,
    other: ApiKeyId,
) -> Result<bool, StoreError> {
    let found: Option<i32> = on!(tx.connection(), connection =>
        sqlx::query_scalar(
            "WITH RECURSIVE line (latest, id, replaces) AS (
                 SELECT id, id, replaces FROM api_keys WHERE tenant_id = $1 AND id IN ($2, $3)
                 UNION
                 SELECT line.latest, older.id, older.replaces FROM line
                 JOIN api_keys older ON older.tenant_id = $1 AND older.id = line.replaces)
             SELECT 1 FROM line WHERE (latest = $2 AND id = $3) OR (latest = $3 AND id = $2) LIMIT 1")
            .bind(tenant.0)
            .bind(one.0)
            .bind(other.0)
            .fetch_optional(connection)
            .await)?;
    Ok(found.is_some())
}

/// What a key is found by.
pub(crate) fn hash(clear: &str) -> Vec<u8> {
    Sha256::digest(clear.as_bytes()).to_vec()
}

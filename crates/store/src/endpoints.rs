//! Endpoints: the addresses that providers post webhooks to, each with the secret that signs them.

use chrono::{DateTime, Utc};
use domain::{EndpointId, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::FromRow;
use uuid::Uuid;

use crate::tenants::{context, new_id};
use crate::{Store, StoreError, time};

/// Where a provider posts to, and what its signatures are checked with.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its id, a part of its URL.
    pub id: EndpointId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Who posts, as one word: `email`.
    pub provider: String,
    /// The secrets a signature may be made with: the current one first, and while it is being changed the one before.
    pub secrets: Vec<SecretString>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    tenant_id: Uuid,
    provider: String,
    secret: Vec<u8>,
    secret_previous: Option<Vec<u8>>,
    created_at: i64,
}

impl Store {
    /// Creates an endpoint for `provider`, whose webhooks are signed with `secret`.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such tenant.
    pub async fn create_endpoint(
        &self,
        tenant: TenantId,
        provider: &str,
        secret: SecretString,
        now: DateTime<Utc>,
    ) -> Result<Endpoint, StoreError> {
        let id = EndpointId(new_id(now));
        let sealed = self.seal_secret(id, &secret);
        write_on!(self.db, pool =>
            sqlx::query("INSERT INTO endpoints (id, tenant_id, provider, secret, created_at) VALUES ($1, $2, $3, $4, $5)")
                .bind(id.0)
                .bind(tenant.0)
                .bind(provider)
                .bind(&sealed)
                .bind(now.timestamp_millis())
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(Endpoint {
            id,
            tenant,
            provider: provider.to_owned(),
            secrets: vec![secret],
            created_at: time::stored(now),
        })
    }

    /// An endpoint by the id in its URL.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when its secret was sealed under a key that is not in the keyring.
    pub async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT id, tenant_id, provider, secret, secret_previous, created_at FROM endpoints WHERE id = $1")
                .bind(id.0)
                .fetch_optional(pool)
                .await)?;
        row.map(|row| self.open_endpoint(row)).transpose()
    }

    /// Every endpoint of every tenant, to fill a cache with at start.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when a secret was sealed under a key that is not in the keyring.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT id, tenant_id, provider, secret, secret_previous, created_at FROM endpoints ORDER BY id")
                .fetch_all(pool)
                .await)?;
        rows.into_iter().map(|row| self.open_endpoint(row)).collect()
    }

    /// A tenant's endpoints, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when a secret was sealed under a key that is not in the keyring.
    pub async fn endpoints_of(&self, tenant: TenantId) -> Result<Vec<Endpoint>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT id, tenant_id, provider, secret, secret_previous, created_at FROM endpoints
                 WHERE tenant_id = $1 ORDER BY created_at, id")
                .bind(tenant.0)
                .fetch_all(pool)
                .await)?;
        rows.into_iter().map(|row| self.open_endpoint(row)).collect()
    }

    /// Makes `secret` the current one and keeps the one before beside it, until
    /// [`retire_previous_secret`](Self::retire_previous_secret). Answers whether there is such an endpoint.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn rotate_endpoint_secret(
        &self,
        tenant: TenantId,
        id: EndpointId,
        secret: &SecretString,
    ) -> Result<bool, StoreError> {
        let sealed = self.seal_secret(id, secret);
        let changed = write_on!(self.db, pool =>
            sqlx::query("UPDATE endpoints SET secret_previous = secret, secret = $3 WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .bind(&sealed)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(changed > 0)
    }

    /// Stops taking signatures made with the secret before the current one. Answers whether there was one.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn retire_previous_secret(&self, tenant: TenantId, id: EndpointId) -> Result<bool, StoreError> {
        let changed = write_on!(self.db, pool =>
            sqlx::query(
                "UPDATE endpoints SET secret_previous = NULL
                 WHERE tenant_id = $1 AND id = $2 AND secret_previous IS NOT NULL")
                .bind(tenant.0)
                .bind(id.0)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(changed > 0)
    }

    fn seal_secret(&self, id: EndpointId, secret: &SecretString) -> Vec<u8> {
        self.keyring
            .seal(&context("endpoint.secret", id.0), secret.expose_secret().as_bytes())
    }

    fn open_endpoint(&self, row: Row) -> Result<Endpoint, StoreError> {
        let secrets = [Some(row.secret), row.secret_previous]
            .into_iter()
            .flatten()
            .map(|sealed| {
                let clear = self.keyring.open(&context("endpoint.secret", row.id), &sealed)?;
                let clear = String::from_utf8(clear).map_err(|_| StoreError::Corrupt("a secret".into()))?;
                Ok(SecretString::from(clear))
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Endpoint {
            id: EndpointId(row.id),
            tenant: TenantId(row.tenant_id),
            provider: row.provider,
            secrets,
            created_at: time::at(row.created_at)?,
        })
    }
}

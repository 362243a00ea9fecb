//! Tenants: whose everything is.

use chrono::{DateTime, Utc};
use domain::{AuditAction, Author, TenantId, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::audit_log::{self, NewAuditEntry};
use crate::members::{USERS, forget_user};
use crate::{Store, StoreError, time};

/// One customer of the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, which no other tenant has.
    pub name: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    name: String,
    created_at: i64,
}

impl TryFrom<Row> for Tenant {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: TenantId(row.id),
            name: row.name,
            created_at: time::at(row.created_at)?,
        })
    }
}

impl Store {
    /// Creates a tenant.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the name is taken.
    pub async fn create_tenant(&self, name: &str, now: DateTime<Utc>) -> Result<Tenant, StoreError> {
        let tenant = Tenant {
            id: TenantId(new_id(now)),
            name: name.to_owned(),
            created_at: time::stored(now),
        };
        let address_key = rand::random::<[u8; 32]>();
        let sealed = self.keyring.seal(&address_key_context(tenant.id), &address_key);
        write_on!(self.db, pool =>
            sqlx::query("INSERT INTO tenants (id, name, address_key, created_at) VALUES ($1, $2, $3, $4)")
                .bind(tenant.id.0)
                .bind(&tenant.name)
                .bind(&sealed)
                .bind(now.timestamp_millis())
                .execute(pool)
                .await
                .map(|_| ()))
        .map_err(|error| match error.into() {
            StoreError::Conflict(_) => StoreError::Conflict("a tenant of this name exists already"),
            other => other,
        })?;
        Ok(tenant)
    }

    /// A tenant by its id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as("SELECT id, name, created_at FROM tenants WHERE id = $1")
                .bind(id.0)
                .fetch_optional(pool)
                .await)?;
        row.map(Tenant::try_from).transpose()
    }

    /// A tenant by its name.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn tenant_by_name(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as("SELECT id, name, created_at FROM tenants WHERE name = $1")
                .bind(name)
                .fetch_optional(pool)
                .await)?;
        row.map(Tenant::try_from).transpose()
    }

    /// Every tenant, by name.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as("SELECT id, name, created_at FROM tenants ORDER BY name").fetch_all(pool).await)?;
        rows.into_iter().map(Tenant::try_from).collect()
    }

    /// Deletes rows of a tenant's that may be many, at most `limit` of each kind. Answers how many went; 0: nothing is left but
    /// what [`delete_tenant`](Self::delete_tenant) takes in one step.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn thin_tenant(&self, id: TenantId, limit: u32) -> Result<u64, StoreError> {
        let mut gone = 0;
        for statement in THIN {
            gone += write_on!(self.db, pool =>
                sqlx::query(statement)
                    .bind(id.0)
                    .bind(i64::from(limit))
                    .execute(pool)
                    .await
                    .map(|done| done.rows_affected()))?;
        }
        Ok(gone)
    }

    /// Deletes a tenant and everything it has, with the people who worked for nobody else. Answers whether there was one.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn delete_tenant(&self, id: TenantId, author: &Author, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(USERS).await?;
        let users: Vec<Uuid> = on!(tx.connection(), connection =>
            sqlx::query_scalar("SELECT user_id FROM memberships WHERE tenant_id = $1")
                .bind(id.0)
                .fetch_all(connection)
                .await)?;
        let deleted = on!(tx.connection(), connection =>
            sqlx::query("DELETE FROM tenants WHERE id = $1")
                .bind(id.0)
                .execute(connection)
                .await
                .map(|done| done.rows_affected()))?;
        if deleted == 0 {
            return Ok(false);
        }
        for user in users {
            forget_user(&mut tx, UserId(user)).await?;
        }
        let entry = NewAuditEntry::of(id, author, AuditAction::TenantRemoved, id);
        // It is not the tenant's, which is gone.
        let entry = NewAuditEntry { tenant: None, ..entry };
        audit_log::write(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Rows that may be many, those that others hang on last.
pub(crate) const THIN: [&str; 11] = [
    "DELETE FROM message_requests WHERE (tenant_id, message_id) IN
         (SELECT tenant_id, message_id FROM message_requests WHERE tenant_id = $1 LIMIT $2)",
    "DELETE FROM message_events WHERE id IN (SELECT id FROM message_events WHERE tenant_id = $1 LIMIT $2)",
    "DELETE FROM inbound_messages WHERE id IN (SELECT id FROM inbound_messages WHERE tenant_id = $1 LIMIT $2)",
    "DELETE FROM kept_events WHERE id IN (SELECT id FROM kept_events WHERE tenant_id = $1 LIMIT $2)",
    "DELETE FROM suppressions WHERE id IN (SELECT id FROM suppressions WHERE tenant_id = $1 LIMIT $2)",
    "DELETE FROM otp_challenges WHERE (tenant_id, id) IN
         (SELECT tenant_id, id FROM otp_challenges WHERE tenant_id = $1 LIMIT $2)",
    "DELETE FROM messages WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM messages WHERE tenant_id = $1 LIMIT $2)",
    "DELETE FROM lead_ledger WHERE entry IN (SELECT entry FROM lead_ledger WHERE tenant_id = $1 LIMIT $2)",
    "DELETE FROM interaction_words WHERE (tenant_id, word_hash, created_at, interaction_id) IN
         (SELECT tenant_id, word_hash, created_at, interaction_id FROM interaction_words WHERE tenant_id = $1 LIMIT $2)",
    "DELETE FROM interactions WHERE id IN (SELECT id FROM interactions WHERE tenant_id = $1 LIMIT $2)",
    "DELETE FROM contacts WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM contacts WHERE tenant_id = $1 LIMIT $2)",
];

pub(crate) fn address_key_context(tenant: TenantId) -> Vec<u8> {
    context("tenant.address_key", tenant.0)
}

/// What a sealed column is bound to, so that a value copied to another row or column does not open.
pub(crate) fn context(column: &str, row: Uuid) -> Vec<u8> {
    [column.as_bytes(), b":", row.as_bytes()].concat()
}

/// A new id that sorts by time, made from the caller's clock.
pub(crate) fn new_id(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(
        uuid::NoContext,
        seconds,
        now.timestamp_subsec_nanos(),
    ))
}

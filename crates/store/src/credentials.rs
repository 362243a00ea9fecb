//! Credentials: what accounts at providers are used with, sealed, and shown only as preview.

use chrono::{DateTime, Utc};
use domain::{AuditAction, Author, CredentialId, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use crate::audit_log::{self, NewAuditEntry};
use crate::tenants::{context, new_id};
use crate::{Store, StoreError, time};

/// Credentials as they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Their id.
    pub id: CredentialId,
    /// Whose account they are for, as one word: `twilio`.
    pub provider: String,
    /// The tenant's name for them, which no other of its credentials has.
    pub label: String,
    /// As much of them as may be shown.
    pub preview: String,
    /// When they were stored first.
    pub created_at: DateTime<Utc>,
    /// When they were last replaced.
    pub rotated_at: Option<DateTime<Utc>>,
    /// Whether those before them are still kept.
    pub has_previous: bool,
}

/// Credentials about to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewCredential<'a> {
    /// Whose account they are for, as one word: `twilio`.
    pub provider: &'a str,
    /// The tenant's name for them, which no other of its credentials has.
    pub label: &'a str,
    /// The JSON object to be sealed.
    pub clear: &'a SecretString,
    /// As much of them as may be shown.
    pub preview: &'a str,
}

/// Credentials in the clear.
#[derive(Debug, Clone)]
pub struct OpenCredential {
    /// What is shown of them.
    pub credential: Credential,
    /// The JSON object that was stored.
    pub clear: SecretString,
    /// The one before, until it is retired: webhooks may still be signed with it.
    pub previous: Option<SecretString>,
}

/// The columns of a [`Credential`], of a table named `credential`.
macro_rules! credential_columns {
    () => {
        "credential.id, credential.provider, credential.label, credential.preview, credential.created_at,
         credential.rotated_at, credential.previous IS NOT NULL AS has_previous"
    };
}
pub(crate) use credential_columns;

#[derive(FromRow)]
pub(crate) struct Row {
    id: Uuid,
    provider: String,
    label: String,
    preview: String,
    created_at: i64,
    rotated_at: Option<i64>,
    has_previous: bool,
}

#[derive(FromRow)]
struct OpenRow {
    #[sqlx(flatten)]
    shown: Row,
    clear: Vec<u8>,
    previous: Option<Vec<u8>>,
}

impl TryFrom<Row> for Credential {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: CredentialId(row.id),
            provider: row.provider,
            label: row.label,
            preview: row.preview,
            created_at: time::at(row.created_at)?,
            rotated_at: time::at_opt(row.rotated_at)?,
            has_previous: row.has_previous,
        })
    }
}

impl Store {
    /// Stores credentials.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the label is taken; [`StoreError::Missing`] when the tenant is gone.
    pub async fn create_credential(
        &self,
        tenant: TenantId,
        new: &NewCredential<'_>,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<Credential, StoreError> {
        let NewCredential {
            provider,
            label,
            clear,
            preview,
        } = *new;
        let credential = Credential {
            id: CredentialId(new_id(now)),
            provider: provider.to_owned(),
            label: label.to_owned(),
            preview: preview.to_owned(),
            created_at: time::stored(now),
            rotated_at: None,
            has_previous: false,
        };
        let mut tx = self.db.begin().await?;
        on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO credentials (tenant_id, id, provider, label, clear, preview, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)")
                .bind(tenant.0)
                .bind(credential.id.0)
                .bind(provider)
                .bind(label)
                .bind(self.seal_credential(credential.id, clear))
                .bind(preview)
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|_| ()))
        .map_err(|error| match error.into() {
            StoreError::Conflict(_) => StoreError::Conflict("credentials of this label exist already"),
            other => other,
        })?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::CredentialCreated, credential.id);
        let after = json!({ "provider": provider, "label": label, "preview": preview });
        audit_log::write(&mut tx, &entry.changed(None, after), now).await?;
        tx.commit().await?;
        Ok(credential)
    }

    /// Replaces credentials and keeps the ones before beside them until
    /// [`retire_previous_credential`](Self::retire_previous_credential). Answers whether there are such credentials.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn rotate_credential(
        &self,
        tenant: TenantId,
        id: CredentialId,
        clear: &SecretString,
        preview: &str,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        // Of two that rotate at once, the later one sees what the first one left.
        tx.serialise_on(id.0).await?;
        let before: Option<String> = on!(tx.connection(), connection =>
            sqlx::query_scalar("SELECT preview FROM credentials WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .fetch_optional(connection)
                .await)?;
        let Some(before) = before else { return Ok(false) };
        on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE credentials SET previous = clear, clear = $3, preview = $4, rotated_at = $5
                 WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .bind(self.seal_credential(id, clear))
                .bind(preview)
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|_| ()))?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::CredentialRotated, id);
        let entry = entry.changed(json!({ "preview": before }), json!({ "preview": preview }));
        audit_log::write(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Forgets the credentials before the present ones. Answers whether there were any.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn retire_previous_credential(
        &self,
        tenant: TenantId,
        id: CredentialId,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let changed = on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE credentials SET previous = NULL WHERE tenant_id = $1 AND id = $2 AND previous IS NOT NULL")
                .bind(tenant.0)
                .bind(id.0)
                .execute(connection)
                .await
                .map(|done| done.rows_affected()))?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::CredentialRetired, id);
        audit_log::commit(tx, changed, &entry, now).await
    }

    /// Deletes credentials, and takes them out of every route. Answers whether there were any.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn delete_credential(
        &self,
        tenant: TenantId,
        id: CredentialId,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let before: Option<String> = on!(tx.connection(), connection =>
            sqlx::query_scalar("DELETE FROM credentials WHERE tenant_id = $1 AND id = $2 RETURNING preview")
                .bind(tenant.0)
                .bind(id.0)
                .fetch_optional(connection)
                .await)?;
        let Some(before) = before else { return Ok(false) };
        let entry = NewAuditEntry::of(tenant, author, AuditAction::CredentialDeleted, id);
        audit_log::write(&mut tx, &entry.changed(json!({ "preview": before }), None), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// A tenant's credentials, oldest first, without what is secret.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn credentials(&self, tenant: TenantId) -> Result<Vec<Credential>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(concat!(
                "SELECT ",
                credential_columns!(),
                " FROM credentials credential WHERE tenant_id = $1 ORDER BY created_at, id"
            ))
            .bind(tenant.0)
            .fetch_all(pool)
            .await)?;
        rows.into_iter().map(Credential::try_from).collect()
    }

    /// Credentials in the clear: the one way to read them, for relais itself, which needs them to send. That it did is
    /// written down, once an hour for each account however often they are read, and before they are handed out.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when they were sealed under a key that is not in the keyring.
    pub async fn open_credential(
        &self,
        tenant: TenantId,
        id: CredentialId,
        now: DateTime<Utc>,
    ) -> Result<Option<OpenCredential>, StoreError> {
        let row: Option<OpenRow> = on!(self.db.reader(), pool =>
            sqlx::query_as(concat!(
                "SELECT ",
                credential_columns!(),
                ", credential.clear, credential.previous FROM credentials credential WHERE tenant_id = $1 AND id = $2"
            ))
            .bind(tenant.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await)?;
        let Some(row) = row else { return Ok(None) };
        let entry = NewAuditEntry::of(tenant, &Author::system(), AuditAction::CredentialOpened, id);
        audit_log::write_hourly(&self.db, &entry, id.0, now).await?;
        let open = |sealed: Vec<u8>| {
            let clear = self.keyring.open(&context("credential.clear", id.0), &sealed)?;
            let clear = String::from_utf8(clear).map_err(|_| StoreError::Corrupt("credentials".into()))?;
            Ok::<_, StoreError>(SecretString::from(clear))
        };
        Ok(Some(OpenCredential {
            credential: row.shown.try_into()?,
            clear: open(row.clear)?,
            previous: row.previous.map(open).transpose()?,
        }))
    }
    fn seal_credential(&self, id: CredentialId, clear: &SecretString) -> Vec<u8> {
        self.keyring
            .seal(&context("credential.clear", id.0), clear.expose_secret().as_bytes())
    }
}

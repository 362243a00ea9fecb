//! Credentials: what accounts at providers are used with, sealed, and shown only as preview.

use chrono::{DateTime, Utc};
use domain::{CredentialId, TenantId};
use secrecy::SecretString;

use crate::{Store, StoreError};

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

impl Store {
    /// Stores credentials: a JSON object as `clear`, and as `preview` what may be shown of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the label is taken; [`StoreError::Missing`] when the tenant is gone.
    pub async fn create_credential(
        &self,
        tenant: TenantId,
        provider: &str,
        label: &str,
        clear: &SecretString,
        preview: &str,
        now: DateTime<Utc>,
    ) -> Result<Credential, StoreError> {
        let _ = (tenant, provider, label, clear, preview, now);
        Err(crate::not_yet())
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
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let _ = (tenant, id, clear, preview, now);
        Err(crate::not_yet())
    }

    /// Forgets the credentials before the present ones. Answers whether there were any.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn retire_previous_credential(&self, tenant: TenantId, id: CredentialId) -> Result<bool, StoreError> {
        let _ = (tenant, id);
        Err(crate::not_yet())
    }

    /// Deletes credentials, and takes them out of every route. Answers whether there were any.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn delete_credential(&self, tenant: TenantId, id: CredentialId) -> Result<bool, StoreError> {
        let _ = (tenant, id);
        Err(crate::not_yet())
    }

    /// A tenant's credentials, oldest first, without what is secret.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn credentials(&self, tenant: TenantId) -> Result<Vec<Credential>, StoreError> {
        let _ = tenant;
        Err(crate::not_yet())
    }

    /// Credentials in the clear. The one way to read them: whatever must know of every access goes in here.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when they were sealed under a key that is not in the keyring.
    pub async fn open_credential(
        &self,
        tenant: TenantId,
        id: CredentialId,
    ) -> Result<Option<OpenCredential>, StoreError> {
        let _ = (tenant, id);
        Err(crate::not_yet())
    }
}

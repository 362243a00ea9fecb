//! Routes: which credentials messages of a channel go by, and in which order they are tried.

use domain::{Channel, CredentialId, TenantId};

use crate::{Credential, Store, StoreError};

impl Store {
    /// Sets which credentials a channel's messages go by: the first is the default, the others stand in for it in this
    /// order. None: nothing can be sent by this channel.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when one of them is not the tenant's; [`StoreError::Conflict`] when one is named twice.
    pub async fn set_route(
        &self,
        tenant: TenantId,
        channel: Channel,
        credentials: &[CredentialId],
    ) -> Result<(), StoreError> {
        let _ = (tenant, channel, credentials);
        Err(crate::not_yet())
    }

    /// The credentials that a channel's messages go by, the default first, without what is secret.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn route(&self, tenant: TenantId, channel: Channel) -> Result<Vec<Credential>, StoreError> {
        let _ = (tenant, channel);
        Err(crate::not_yet())
    }
}

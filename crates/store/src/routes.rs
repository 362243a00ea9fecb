//! Routes: which credentials messages of a channel go by, and in which order they are tried.

use domain::{Channel, CredentialId, TenantId};

use uuid::Uuid;

use crate::credentials::{Row, credential_columns};
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
        let mut tx = self.db.begin().await?;
        // Two who set a route at once would each delete what the other had not written yet.
        tx.serialise_on(Uuid::new_v5(&tenant.0, channel.as_str().as_bytes()))
            .await?;
        on!(tx.connection(), connection =>
            sqlx::query("DELETE FROM routes WHERE tenant_id = $1 AND channel = $2")
                .bind(tenant.0)
                .bind(channel.as_str())
                .execute(connection)
                .await
                .map(|_| ()))?;
        for (position, credential) in (0_i64..).zip(credentials) {
            on!(tx.connection(), connection =>
                sqlx::query("INSERT INTO routes (tenant_id, channel, position, credential_id) VALUES ($1, $2, $3, $4)")
                    .bind(tenant.0)
                    .bind(channel.as_str())
                    .bind(position)
                    .bind(credential.0)
                    .execute(connection)
                    .await
                    .map(|_| ()))
            .map_err(|error| match error.into() {
                StoreError::Conflict(_) => StoreError::Conflict("the same credentials are named twice"),
                other => other,
            })?;
        }
        tx.commit().await
    }

    /// The credentials that a channel's messages go by, the default first, without what is secret.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn route(&self, tenant: TenantId, channel: Channel) -> Result<Vec<Credential>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(concat!(
                "SELECT ",
                credential_columns!(),
                " FROM routes route
                 JOIN credentials credential
                     ON credential.tenant_id = route.tenant_id AND credential.id = route.credential_id
                 WHERE route.tenant_id = $1 AND route.channel = $2 ORDER BY route.position"
            ))
            .bind(tenant.0)
            .bind(channel.as_str())
            .fetch_all(pool)
            .await)?;
        rows.into_iter().map(Credential::try_from).collect()
    }
}

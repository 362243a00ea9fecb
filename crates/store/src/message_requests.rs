//! Idempotency keys: of requests at once that ask for different messages with one key, one has it.
//!
//! The queue alone cannot tell: messages of different channels are sent by jobs of different kinds, and so of different ids.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{Fingerprint, MessageId, TenantId};
use sqlx::QueryBuilder;
use uuid::Uuid;

use crate::{Store, StoreError};

/// The statement of [`Store::forget_requests`].
pub(crate) const FORGET: &str = "DELETE FROM message_requests WHERE (tenant_id, message_id) IN
     (SELECT tenant_id, message_id FROM message_requests WHERE created_at < $1 ORDER BY created_at LIMIT $2)";

impl Store {
    /// Gives each request its key, which is its message's id, unless another request has it. Answers, in their order, which of
    /// them have theirs, now or since before. The same request may claim again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later; [`StoreError::Missing`] when the tenant is gone.
    pub async fn claim_requests(
        &self,
        tenant: TenantId,
        requests: &[(MessageId, Fingerprint)],
        now: DateTime<Utc>,
    ) -> Result<Vec<bool>, StoreError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        // In one order, because who claims several keys waits for others who do. Of two with one key the first one comes first.
        let mut ordered: Vec<_> = requests.iter().collect();
        ordered.sort_by_key(|(id, _)| id.0);
        let new = write_on!(self.db, pool => {
            let mut query =
                QueryBuilder::new("INSERT INTO message_requests (tenant_id, message_id, fingerprint, created_at) ");
            query.push_values(ordered, |mut row, (id, fingerprint)| {
                row.push_bind(tenant.0)
                    .push_bind(id.0)
                    .push_bind(fingerprint.0.to_vec())
                    .push_bind(now.timestamp_millis());
            });
            query.push(" ON CONFLICT (tenant_id, message_id) DO NOTHING");
            query.build().execute(pool).await.map(|done| done.rows_affected())
        })?;
        if usize::try_from(new).is_ok_and(|new| new == requests.len()) {
            return Ok(vec![true; requests.len()]);
        }
        let known = self.claimed(tenant, requests).await?;
        let has_it = |(id, fingerprint): &(MessageId, Fingerprint)| {
            known.get(&id.0).is_some_and(|known| *known == fingerprint.0)
        };
        Ok(requests.iter().map(has_it).collect())
    }

    /// Forgets who claimed before `before`, at most `limit` of them. Answers how many went.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_requests(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        Ok(write_on!(self.db, pool =>
            sqlx::query(FORGET)
                .bind(before.timestamp_millis())
                .bind(i64::from(limit))
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?)
    }

    async fn claimed(
        &self,
        tenant: TenantId,
        requests: &[(MessageId, Fingerprint)],
    ) -> Result<HashMap<Uuid, Vec<u8>>, StoreError> {
        let rows: Vec<(Uuid, Vec<u8>)> = on!(self.db.reader(), pool => {
            let mut query = QueryBuilder::new("SELECT message_id, fingerprint FROM message_requests WHERE tenant_id = ");
            query.push_bind(tenant.0).push(" AND message_id");
            push_in!(query, (id, _) in requests => id.0);
            query.build_query_as().fetch_all(pool).await
        })?;
        Ok(rows.into_iter().collect())
    }
}

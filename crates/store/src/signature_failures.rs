//! How many requests to an endpoint had no good signature, by minute.

use chrono::{DateTime, Utc};
use domain::EndpointId;
use uuid::Uuid;

use crate::{Store, StoreError};

pub(crate) const SUMS: &str = "SELECT endpoint_id, CAST(SUM(failures) AS BIGINT) FROM signature_failures
     WHERE minute > $1 GROUP BY endpoint_id ORDER BY endpoint_id";

impl Store {
    /// Adds to the minute of `now`. One for an endpoint that is gone counts nowhere.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn count_signature_failures(
        &self,
        failures: &[(EndpointId, u64)],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        for (endpoint, count) in failures {
            write_on!(self.db, pool =>
                sqlx::query(
                    "INSERT INTO signature_failures (endpoint_id, minute, failures)
                     SELECT id, $2, $3 FROM endpoints WHERE id = $1
                     ON CONFLICT (endpoint_id, minute)
                     DO UPDATE SET failures = signature_failures.failures + excluded.failures")
                    .bind(endpoint.0)
                    .bind(minute(now))
                    .bind(i64::try_from(*count).unwrap_or(i64::MAX))
                    .execute(pool)
                    .await
                    .map(|_| ()))?;
        }
        Ok(())
    }

    /// How many there were after that moment, of each endpoint that had some. Whole minutes.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn signature_failures(&self, after: DateTime<Utc>) -> Result<Vec<(EndpointId, u64)>, StoreError> {
        let rows: Vec<(Uuid, i64)> = on!(self.db.reader(), pool =>
            sqlx::query_as(SUMS).bind(minute(after)).fetch_all(pool).await)?;
        Ok(rows
            .into_iter()
            .map(|(endpoint, failures)| (EndpointId(endpoint), failures.unsigned_abs()))
            .collect())
    }

    /// Forgets the minutes before that moment, at most `limit` rows. Answers how many went.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_signature_failures(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        Ok(write_on!(self.db, pool =>
            sqlx::query(
                "DELETE FROM signature_failures WHERE (endpoint_id, minute) IN
                     (SELECT endpoint_id, minute FROM signature_failures WHERE minute < $1 ORDER BY minute LIMIT $2)")
                .bind(minute(before))
                .bind(i64::from(limit))
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?)
    }
}

fn minute(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(60)
}

//! What was changed in the payloads of dead letters, and by whom.

use chrono::{DateTime, Utc};
use domain::{PersonalText, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::messages::text;
use crate::tenants::{context, new_id};
use crate::{Store, StoreError, time};

/// One edit of a dead letter's payload.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetterEdit {
    /// Who made it.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What stood there before and what stands there now, as JSON. May hold anything that a payload holds.
    pub changes: PersonalText,
}

impl Store {
    /// Keeps what is about to be changed in the payload of a dead letter; answers the edit's id. It is written first: an edit
    /// that is cut short in between leaves a record of what was meant, never a change without one. The installation's own
    /// letters are of no tenant that there is.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn record_dead_letter_edit(
        &self,
        tenant: TenantId,
        job: Uuid,
        edit: &DeadLetterEdit,
    ) -> Result<Uuid, StoreError> {
        let id = new_id(edit.at);
        let changes = self.sealed(id, &edit.changes);
        write_on!(self.db, pool =>
            sqlx::query(
                "INSERT INTO dead_letter_edits (id, job_id, edited_by, edited_at, changes, tenant_id)
                 VALUES ($1, $2, $3, $4, $5, (SELECT id FROM tenants WHERE id = $6))")
                .bind(id)
                .bind(job)
                .bind(&edit.by)
                .bind(edit.at.timestamp_millis())
                .bind(changes)
                .bind(tenant.0)
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(id)
    }

    /// Writes anew what an edit changed, once it is known. One that was forgotten meanwhile stays so.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn settle_edit(&self, id: Uuid, changes: &PersonalText) -> Result<(), StoreError> {
        let changes = self.sealed(id, changes);
        write_on!(self.db, pool =>
            sqlx::query("UPDATE dead_letter_edits SET changes = $1 WHERE id = $2")
                .bind(changes)
                .bind(id)
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(())
    }

    fn sealed(&self, id: Uuid, changes: &PersonalText) -> Vec<u8> {
        self.keyring.seal(&context(COLUMN, id), changes.expose().as_bytes())
    }

    /// The edits of a dead letter, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when one was sealed under a key that is not in the keyring.
    pub async fn dead_letter_edits(&self, job: Uuid) -> Result<Vec<DeadLetterEdit>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT id, edited_by, edited_at, changes FROM dead_letter_edits WHERE job_id = $1
                 ORDER BY edited_at, id")
                .bind(job)
                .fetch_all(pool)
                .await)?;
        rows.into_iter()
            .map(|row| {
                Ok(DeadLetterEdit {
                    by: row.edited_by,
                    at: time::at(row.edited_at)?,
                    changes: PersonalText::new(
                        text(&self.keyring, COLUMN, row.id, Some(row.changes))?.unwrap_or_default(),
                    ),
                })
            })
            .collect()
    }

    /// What was changed in letters of a tenant's, page by page: the edits' ids and what they hold. Those of before migration
    /// 0013 are nobody's.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when one was sealed under a key that is not in the keyring.
    pub async fn edits_of_tenant(
        &self,
        tenant: TenantId,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<(Uuid, PersonalText)>, StoreError> {
        let rows: Vec<(Uuid, Vec<u8>)> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT id, changes FROM dead_letter_edits WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3")
                .bind(tenant.0)
                .bind(after.unwrap_or_default())
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await)?;
        let open = |(id, changes)| {
            let changes = text(&self.keyring, COLUMN, id, Some(changes))?.unwrap_or_default();
            Ok((id, PersonalText::new(changes)))
        };
        rows.into_iter().map(open).collect()
    }

    /// Removes one edit.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_edit(&self, id: Uuid) -> Result<(), StoreError> {
        write_on!(self.db, pool =>
            sqlx::query("DELETE FROM dead_letter_edits WHERE id = $1").bind(id).execute(pool).await.map(|_| ()))?;
        Ok(())
    }

    /// Removes the edits of one dead letter: they hold what its payload held, and go with its tenant.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_edits_of(&self, job: Uuid) -> Result<(), StoreError> {
        write_on!(self.db, pool =>
            sqlx::query("DELETE FROM dead_letter_edits WHERE job_id = $1").bind(job).execute(pool).await.map(|_| ()))?;
        Ok(())
    }

    /// Removes edits that were made before; answers how many.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_dead_letter_edits(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        Ok(write_on!(self.db, pool =>
            sqlx::query("DELETE FROM dead_letter_edits WHERE edited_at < $1")
                .bind(before.timestamp_millis())
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?)
    }
}

const COLUMN: &str = "dead_letter_edit.changes";

#[derive(FromRow)]
struct Row {
    id: Uuid,
    edited_by: String,
    edited_at: i64,
    changes: Vec<u8>,
}

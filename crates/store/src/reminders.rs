//! Reminders: whom something is still to be told about.
//!
//! ```text
//! interaction, overdue ── claim_overdue ──▶ reminder ── gather ──▶ in a batch ── end ──▶ gone
//!       notified_at is set together with it      │   who is told what is fixed   a message is on its way
//!                                                └── the work is done, moved or nobody's: gone, and with it the mark
//! ```
//!
//! The mark and the reminder are written at once, so nobody is told twice however many look, and nothing is forgotten
//! however many die. A batch is told in messages whose ids follow from it, so telling it again tells nothing new.

use chrono::{DateTime, Utc};
use domain::interaction::{InteractionReason, Telling, Warning};
use domain::{InteractionId, MessageId, PersonalText, TenantId, UserId};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::interactions::TITLE;
use crate::messages::{text, word};
use crate::{Store, StoreError, time};

/// What is told to somebody in one message, or in one for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReminderBatch {
    /// Its id, from which those of its messages follow.
    pub id: Uuid,
    /// How many interactions it is about.
    pub count: u64,
    /// How they are told.
    pub telling: Telling,
}

/// One interaction of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminded {
    /// Which.
    pub interaction: InteractionId,
    /// What it is about.
    pub title: Option<PersonalText>,
    /// Why it exists.
    pub reason: InteractionReason,
    /// The time that passed.
    pub due_at: DateTime<Utc>,
}

/// What makes an interaction one that somebody is to be told about. Word for word the condition of its index.
macro_rules! overdue {
    () => {
        "next_action_at < $1 AND notified_at IS NULL AND assignee IS NOT NULL AND next_action_at IS NOT NULL
         AND status <> 'done'"
    };
}

/// Who else claims takes others.
const CLAIM_POSTGRES: &str = concat!(
    "WITH overdue AS (
         SELECT id FROM interactions WHERE ",
    overdue!(),
    " ORDER BY next_action_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
     ), marked AS (
         UPDATE interactions interaction SET notified_at = $1, told_by = NULL FROM overdue WHERE interaction.id = overdue.id
         RETURNING interaction.tenant_id, interaction.id, interaction.next_action_at, interaction.assignee
     ), kept AS (
         INSERT INTO reminders (tenant_id, interaction_id, due_at, assignee)
         SELECT tenant_id, id, next_action_at, assignee FROM marked ON CONFLICT DO NOTHING
     )
     SELECT COUNT(*) FROM marked"
);

const CLAIM_SQLITE: &str = concat!(
    "UPDATE interactions SET notified_at = $1, told_by = NULL WHERE id IN (SELECT id FROM interactions WHERE ",
    overdue!(),
    " ORDER BY next_action_at, id LIMIT $2)
     RETURNING tenant_id, id, next_action_at, assignee"
);

/// What a claim looks for, for the test of its plan.
#[cfg(test)]
pub(crate) const OVERDUE: &str = concat!(
    "SELECT id FROM interactions WHERE ",
    overdue!(),
    " ORDER BY next_action_at, id LIMIT $2"
);

/// Members who are to be told something, in the order of the index.
pub(crate) const ASSIGNEES: &str = "SELECT tenant_id, assignee FROM reminders
     WHERE (tenant_id, assignee) > ($1, $2) GROUP BY tenant_id, assignee ORDER BY tenant_id, assignee LIMIT $3";

impl Store {
    /// Marks at most `most` interactions whose time passed before `now` as told, and keeps a reminder of each. Answers how
    /// many it were. On Postgres one statement, on SQLite a transaction of its one writer.
    ///
    /// # Errors
    /// Only those of the database; then none was marked.
    pub async fn claim_overdue(&self, most: u32, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let marked = match &mut tx {
            Tx::Postgres(transaction) => {
                let marked: i64 = sqlx::query_scalar(CLAIM_POSTGRES)
                    .bind(now.timestamp_millis())
                    .bind(i64::from(most))
                    .fetch_one(&mut **transaction)
                    .await?;
                marked.unsigned_abs()
            }
            Tx::Sqlite(transaction) => {
                let marked: Vec<(Uuid, Uuid, i64, Uuid)> = sqlx::query_as(CLAIM_SQLITE)
                    .bind(now.timestamp_millis())
                    .bind(i64::from(most))
                    .fetch_all(&mut **transaction)
                    .await?;
                if !marked.is_empty() {
                    let mut query =
                        QueryBuilder::new("INSERT INTO reminders (tenant_id, interaction_id, due_at, assignee) ");
                    query.push_values(&marked, |mut row, (tenant, id, due_at, assignee)| {
                        row.push_bind(*tenant)
                            .push_bind(*id)
                            .push_bind(*due_at)
                            .push_bind(*assignee);
                    });
                    query.push(" ON CONFLICT DO NOTHING");
                    query.build().execute(&mut **transaction).await?;
                }
                marked.len() as u64
            }
        };
        tx.commit().await?;
        Ok(marked)
    }

    /// Members who are to be told something, `most` after `after`.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn members_to_remind(
        &self,
        after: Option<(TenantId, UserId)>,
        most: u32,
    ) -> Result<Vec<(TenantId, UserId)>, StoreError> {
        let (tenant, user) = after.map_or((Uuid::nil(), Uuid::nil()), |(tenant, user)| (tenant.0, user.0));
        let rows: Vec<(Uuid, Uuid)> = on!(self.db.reader(), pool =>
            sqlx::query_as(ASSIGNEES)
                .bind(tenant)
                .bind(user)
                .bind(i64::from(most))
                .fetch_all(pool)
                .await)?;
        Ok(rows
            .into_iter()
            .map(|(tenant, user)| (TenantId(tenant), UserId(user)))
            .collect())
    }

    /// Puts a member's reminders that are in no batch into one, called `batch`: more than `digest_over` in one message.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn gather_reminders(
        &self,
        tenant: TenantId,
        member: UserId,
        batch: Uuid,
        digest_over: u32,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let gathered = on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE reminders SET batch = $3, is_digest = $4
                 WHERE tenant_id = $1 AND assignee = $2 AND batch IS NULL")
                .bind(tenant.0)
                .bind(member.0)
                .bind(batch)
                .bind(false)
                .execute(connection)
                .await
                .map(|done| done.rows_affected()))?;
        if Telling::of(gathered, digest_over) == Telling::Digest {
            on!(tx.connection(), connection =>
                sqlx::query("UPDATE reminders SET is_digest = $4 WHERE tenant_id = $1 AND assignee = $2 AND batch = $3")
                    .bind(tenant.0)
                    .bind(member.0)
                    .bind(batch)
                    .bind(true)
                    .execute(connection)
                    .await
                    .map(|_| ()))?;
        }
        tx.commit().await
    }

    /// The batches that a member is to be told.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn reminder_batches(&self, tenant: TenantId, member: UserId) -> Result<Vec<ReminderBatch>, StoreError> {
        let rows: Vec<(Uuid, bool, i64)> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT batch, is_digest, COUNT(*) FROM reminders
                 WHERE tenant_id = $1 AND assignee = $2 AND batch IS NOT NULL GROUP BY batch, is_digest")
                .bind(tenant.0)
                .bind(member.0)
                .fetch_all(pool)
                .await)?;
        let batch = |(id, is_digest, count): (Uuid, bool, i64)| ReminderBatch {
            id,
            count: count.unsigned_abs(),
            telling: if is_digest { Telling::Digest } else { Telling::Each },
        };
        Ok(rows.into_iter().map(batch).collect())
    }

    /// What a batch is about, the longest overdue first, at most `most`.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when a title was sealed under a key that is not in the keyring.
    pub async fn reminded(
        &self,
        tenant: TenantId,
        member: UserId,
        batch: Uuid,
        most: u32,
    ) -> Result<Vec<Reminded>, StoreError> {
        let rows: Vec<RemindedRow> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT interaction.id, interaction.title, interaction.reason, reminder.due_at
                 FROM reminders reminder JOIN interactions interaction
                     ON interaction.tenant_id = reminder.tenant_id AND interaction.id = reminder.interaction_id
                 WHERE reminder.tenant_id = $1 AND reminder.assignee = $2 AND reminder.batch = $3
                 ORDER BY reminder.due_at, interaction.id LIMIT $4")
                .bind(tenant.0)
                .bind(member.0)
                .bind(batch)
                .bind(i64::from(most))
                .fetch_all(pool)
                .await)?;
        rows.into_iter()
            .map(|row| {
                Ok(Reminded {
                    interaction: InteractionId(row.id),
                    title: text(&self.keyring, TITLE, row.id, row.title)?.map(PersonalText::new),
                    reason: word(&row.reason, "an unknown interaction reason")?,
                    due_at: time::at(row.due_at)?,
                })
            })
            .collect()
    }

    /// Writes down which message is about to tell a batch, or one interaction of it, so that a message that does not arrive
    /// is known to have told nobody.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn told_by(
        &self,
        tenant: TenantId,
        member: UserId,
        batch: Uuid,
        about: Option<InteractionId>,
        message: MessageId,
    ) -> Result<(), StoreError> {
        write_on!(self.db, pool =>
            sqlx::query(
                "UPDATE interactions SET told_by = $4
                 FROM reminders reminder
                 WHERE reminder.tenant_id = $1 AND reminder.assignee = $2 AND reminder.batch = $3
                     AND interactions.tenant_id = reminder.tenant_id AND interactions.id = reminder.interaction_id
                     AND interactions.next_action_at = reminder.due_at AND interactions.id = COALESCE($5, interactions.id)")
                .bind(tenant.0)
                .bind(member.0)
                .bind(batch)
                .bind(message.0)
                .bind(about.map(|interaction| interaction.0))
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(())
    }

    /// Forgets a batch whose messages are on their way, or that nobody can be told: then its interactions say so until
    /// their next action is planned anew.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn end_reminder_batch(
        &self,
        tenant: TenantId,
        member: UserId,
        batch: Uuid,
        warning: Option<Warning>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        if let Some(warning) = warning {
            on!(tx.connection(), connection =>
                sqlx::query(
                    "UPDATE interactions SET warning = $4
                     FROM reminders reminder
                     WHERE reminder.tenant_id = $1 AND reminder.assignee = $2 AND reminder.batch = $3
                         AND interactions.tenant_id = reminder.tenant_id AND interactions.id = reminder.interaction_id
                         AND interactions.next_action_at = reminder.due_at")
                    .bind(tenant.0)
                    .bind(member.0)
                    .bind(batch)
                    .bind(warning.as_str())
                    .execute(connection)
                    .await
                    .map(|_| ()))?;
        }
        on!(tx.connection(), connection =>
            sqlx::query("DELETE FROM reminders WHERE tenant_id = $1 AND assignee = $2 AND batch = $3")
                .bind(tenant.0)
                .bind(member.0)
                .bind(batch)
                .execute(connection)
                .await
                .map(|_| ()))?;
        tx.commit().await
    }
}

#[derive(FromRow)]
struct RemindedRow {
    id: Uuid,
    title: Option<Vec<u8>>,
    reason: String,
    due_at: i64,
}

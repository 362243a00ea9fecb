//! The letters of a bulk action: written down before they are acted on, looked at until they end, kept if they fail. What
//! became of them is told in `bulk_fates.rs`.
//!
//! A letter's row goes `intended → ready ⇄ waiting → (gone)`, or to `failed` from anywhere. Counters of the action change
//! in the transaction that changes the row, and only for rows that are what the writer took them for: so each letter is
//! counted once, however often and by however many it is told.

use chrono::{DateTime, Utc};
use domain::BulkActionId;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::{Store, StoreError, time};

/// A letter that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedLetter {
    /// The job.
    pub job: Uuid,
    /// Why.
    pub reason: String,
    /// When that was found.
    pub at: DateTime<Utc>,
}

/// The letters of an action that were retried and not seen to end yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenLetters {
    /// Ready or running when last looked at.
    pub ready: u64,
    /// Scheduled, parked or behind others then.
    pub waiting: u64,
    /// When one of them is to be looked at next.
    pub look_at: Option<DateTime<Utc>>,
}

/// What was written down as about to be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LettersTakenUp {
    /// The letters that are new to the action.
    pub new: Vec<Uuid>,
    /// No letter is left to take up.
    pub is_exhausted: bool,
}

/// The most failures of one page.
const FAILURES_MAX: u32 = 500;

impl Store {
    /// Writes down which letters the job of this step is about to act on, and where the list goes on behind them; `None` is
    /// its end. `None` as answer = another job works on the action, or somebody stopped it: nothing was written.
    ///
    /// The list is gone through until it has nothing new from its beginning to its end: what a queue has not sorted yet
    /// when it is first asked is found then.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn take_up_letters(
        &self,
        id: BulkActionId,
        step: u32,
        letters: &[Uuid],
        cursor: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Option<LettersTakenUp>, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(id.0).await?;
        let new = insert(&mut tx, id, letters, now).await?;
        let taken = i64::try_from(new.len()).unwrap_or(i64::MAX);
        let is_exhausted: Option<bool> = on!(tx.connection(), connection =>
            sqlx::query_scalar(
                "UPDATE bulk_actions
                 SET cursor = $3, exhausted = ($3 IS NULL AND pass_taken + $4 = 0),
                     pass_taken = CASE WHEN $3 IS NULL THEN 0 ELSE pass_taken + $4 END, updated_at = $5
                 WHERE id = $1 AND step = $2 AND state IN ('running', 'watching_canary', 'watching')
                 RETURNING exhausted")
                .bind(id.0)
                .bind(i64::from(step))
                .bind(cursor)
                .bind(taken)
                .bind(now.timestamp_millis())
                .fetch_optional(connection)
                .await)?;
        let Some(is_exhausted) = is_exhausted else {
            tx.rollback().await?;
            return Ok(None);
        };
        tx.commit().await?;
        Ok(Some(LettersTakenUp { new, is_exhausted }))
    }

    /// Letters that were taken up and not acted on as far as known, at most `limit`.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn intended_letters(&self, id: BulkActionId, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        Ok(on!(self.db.reader(), pool =>
            sqlx::query_scalar(
                "SELECT job_id FROM bulk_action_letters WHERE action_id = $1 AND state = 'intended'
                 ORDER BY look_at LIMIT $2")
                .bind(id.0)
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await)?)
    }

    /// Letters that were retried and are to be looked at by now, at most `limit`.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn due_letters(&self, id: BulkActionId, now: DateTime<Utc>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        let mut due = Vec::new();
        // One range of the index each.
        for state in ["ready", "waiting"] {
            let rows: Vec<Uuid> = on!(self.db.reader(), pool =>
                sqlx::query_scalar(
                    "SELECT job_id FROM bulk_action_letters WHERE action_id = $1 AND state = $2 AND look_at <= $3
                     ORDER BY look_at LIMIT $4")
                    .bind(id.0)
                    .bind(state)
                    .bind(now.timestamp_millis())
                    .bind(i64::from(limit))
                    .fetch_all(pool)
                    .await)?;
            due.extend(rows);
        }
        Ok(due)
    }

    /// Letters that were retried and not seen to end yet, as figures.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn open_letters(&self, id: BulkActionId) -> Result<OpenLetters, StoreError> {
        let rows: Vec<(String, i64, i64)> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT state, COUNT(*), MIN(look_at) FROM bulk_action_letters
                 WHERE action_id = $1 AND state IN ('ready', 'waiting') GROUP BY state")
                .bind(id.0)
                .fetch_all(pool)
                .await)?;
        let mut open = OpenLetters::default();
        for (state, count, look_at) in rows {
            let look_at = time::at(look_at)?;
            open.look_at = Some(open.look_at.map_or(look_at, |other| other.min(look_at)));
            match state.as_str() {
                "ready" => open.ready = count.unsigned_abs(),
                _ => open.waiting = count.unsigned_abs(),
            }
        }
        Ok(open)
    }

    /// The letters that failed, in the order of their ids; go on after the last one of the page before.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn failed_letters(
        &self,
        id: BulkActionId,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<FailedLetter>, StoreError> {
        let rows: Vec<FailedRow> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT job_id, reason, look_at FROM bulk_action_letters
                 WHERE action_id = $1 AND job_id > $2 AND state = 'failed' ORDER BY job_id LIMIT $3")
                .bind(id.0)
                .bind(after.unwrap_or_default())
                .bind(i64::from(limit.clamp(1, FAILURES_MAX)))
                .fetch_all(pool)
                .await)?;
        rows.into_iter().map(FailedLetter::try_from).collect()
    }
}

/// Those that are new to the action.
async fn insert(tx: &mut Tx, id: BulkActionId, letters: &[Uuid], now: DateTime<Utc>) -> Result<Vec<Uuid>, StoreError> {
    if letters.is_empty() {
        return Ok(Vec::new());
    }
    Ok(on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new("INSERT INTO bulk_action_letters (action_id, job_id, state, look_at) ");
        query.push_values(letters, |mut row, job| {
            row.push_bind(id.0).push_bind(job).push_bind("intended").push_bind(now.timestamp_millis());
        });
        query.push(" ON CONFLICT (action_id, job_id) DO NOTHING RETURNING job_id");
        query.build_query_scalar().fetch_all(connection).await
    })?)
}

#[derive(FromRow)]
struct FailedRow {
    job_id: Uuid,
    reason: String,
    look_at: i64,
}

impl TryFrom<FailedRow> for FailedLetter {
    type Error = StoreError;

    fn try_from(row: FailedRow) -> Result<Self, StoreError> {
        Ok(Self {
            job: row.job_id,
            reason: row.reason,
            at: time::at(row.look_at)?,
        })
    }
}

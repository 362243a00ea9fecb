//! Bulk actions: what operators do with many dead letters at once, as rows. What they do to letters is in
//! `bulk_letters.rs`.

use chrono::{DateTime, Utc};
use domain::{BulkAct, BulkActionId, BulkState};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::messages::word;
use crate::tenants::new_id;
use crate::{Cursor, Page, Store, StoreError, time};

/// An action that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBulkAction {
    /// What is done with each letter.
    pub act: BulkAct,
    /// Which letters, as JSON.
    pub filter: String,
    /// How many go first.
    pub canary: Option<u32>,
    /// Letters per second.
    pub rate: u32,
    /// How many letters there are now.
    pub matched: u64,
    /// Who asks.
    pub asked_by: String,
}

/// An action as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkAction {
    /// Its id.
    pub id: BulkActionId,
    /// What is done with each letter.
    pub act: BulkAct,
    /// Which letters, as JSON.
    pub filter: String,
    /// How many go first.
    pub canary: Option<u32>,
    /// When those had ended well.
    pub canary_passed_at: Option<DateTime<Utc>>,
    /// Letters per second.
    pub rate: u32,
    /// How far it is.
    pub state: BulkState,
    /// The number of the job that works on it.
    pub step: u32,
    /// Where the list of dead letters goes on.
    pub cursor: Option<String>,
    /// That list has nothing new any more.
    pub exhausted: bool,
    /// How many letters there were when it was asked for.
    pub matched: u64,
    /// How many were acted on.
    pub done: u64,
    /// How many of the retried ones ended well.
    pub ended: u64,
    /// How many could not be acted on, or died again.
    pub failed: u64,
    /// Who asked.
    pub asked_by: String,
    /// Who paused, resumed or cancelled it last.
    pub changed_by: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When anything of this changed last.
    pub updated_at: DateTime<Utc>,
}

/// The states in which an action goes on by itself. The statements below name them.
const LIVE: &str = "state IN ('running', 'watching_canary', 'watching')";

/// The states in which something of it may happen yet.
const UNENDED: &str = "state IN ('running', 'watching_canary', 'watching', 'paused')";

/// The states in which nothing of it happens any more.
const ENDED: &str = "state IN ('cancelled', 'stopped', 'done')";

pub(crate) const COLUMNS: &str =
    "SELECT id, act, filter, canary, canary_passed_at, rate, state, step, cursor, exhausted, matched, done,
     ended, failed, asked_by, changed_by, created_at, updated_at FROM bulk_actions";

/// The list's statement, newest first.
macro_rules! list {
    ($after:expr, $limit:expr) => {{
        let mut query = QueryBuilder::new($crate::bulk_actions::COLUMNS);
        // One range of the index from its end, also on the first page.
        query.push(" WHERE created_at <= ").push_bind(i64::MAX);
        $crate::page::push_newest_after!(query, "bulk_actions", $after, $limit);
        query
    }};
}
#[cfg(test)]
pub(crate) use list;

impl Store {
    /// Writes an action down. Nothing works on it before a job is added that names its step 0.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn create_bulk_action(
        &self,
        new: &NewBulkAction,
        now: DateTime<Utc>,
    ) -> Result<BulkActionId, StoreError> {
        let id = BulkActionId(new_id(now));
        write_on!(self.db, pool =>
            sqlx::query(
                "INSERT INTO bulk_actions
                     (id, act, filter, canary, rate, state, matched, asked_by, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)")
                .bind(id.0)
                .bind(new.act.as_str())
                .bind(&new.filter)
                .bind(new.canary.map(i64::from))
                .bind(i64::from(new.rate))
                .bind(BulkState::Running.as_str())
                .bind(new.matched.cast_signed())
                .bind(&new.asked_by)
                .bind(now.timestamp_millis())
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(id)
    }

    /// An action by its id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn bulk_action(&self, id: BulkActionId) -> Result<Option<BulkAction>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push(" WHERE id = ").push_bind(id.0);
            query.build_query_as().fetch_optional(pool).await
        })?;
        row.map(BulkAction::try_from).transpose()
    }

    /// All actions, newest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn bulk_actions(&self, after: Option<Cursor>, limit: u32) -> Result<Page<BulkAction>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = list!(after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let items = rows.into_iter().map(BulkAction::try_from).collect::<Result<_, _>>()?;
        Ok(Page::of(items, limit, |action: &BulkAction| Cursor {
            at: action.created_at,
            id: action.id.0,
        }))
    }

    /// Stops an action that is under way for a while; `false` = it is not under way.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn pause_bulk_action(&self, id: BulkActionId, by: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.steer(id, BulkState::Paused, LIVE, by, now).await
    }

    /// Ends an action that has not ended; `false` = it has.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn cancel_bulk_action(&self, id: BulkActionId, by: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.steer(id, BulkState::Cancelled, UNENDED, by, now).await
    }

    /// Lets an action go on that has not ended, by a job of its own: answers that job's step, `None` = it has ended.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn resume_bulk_action(
        &self,
        id: BulkActionId,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<u32>, StoreError> {
        let step: Option<i64> = write_on!(self.db, pool => {
            let mut query = QueryBuilder::new("UPDATE bulk_actions SET step = step + 1, state = ");
            query.push_bind(BulkState::Running.as_str());
            query.push(", changed_by = ").push_bind(by);
            query.push(", updated_at = ").push_bind(now.timestamp_millis());
            query.push(" WHERE id = ").push_bind(id.0).push(" AND ").push(UNENDED).push(" RETURNING step");
            query.build_query_scalar().fetch_optional(pool).await
        })?;
        step.map(number).transpose()
    }

    /// Writes down how far the job of this step has come; if it is the last thing that this job does, the next job's step
    /// is one more. `false` = another job works on the action, or somebody stopped it: nothing was written.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn advance_bulk_action(
        &self,
        id: BulkActionId,
        step: u32,
        state: BulkState,
        ends_step: bool,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let rows = write_on!(self.db, pool => {
            let mut query = QueryBuilder::new("UPDATE bulk_actions SET state = ");
            query.push_bind(state.as_str());
            query.push(", step = step + ").push_bind(i64::from(ends_step));
            query.push(", updated_at = ").push_bind(now.timestamp_millis());
            query.push(" WHERE id = ").push_bind(id.0);
            query.push(" AND step = ").push_bind(i64::from(step));
            query.push(" AND ").push(LIVE);
            query.build().execute(pool).await.map(|done| done.rows_affected())
        })?;
        Ok(rows > 0)
    }

    /// The first letters of an action have ended well.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn pass_bulk_canary(&self, id: BulkActionId, now: DateTime<Utc>) -> Result<(), StoreError> {
        write_on!(self.db, pool =>
            sqlx::query(
                "UPDATE bulk_actions SET canary_passed_at = $2, updated_at = $2
                 WHERE id = $1 AND canary_passed_at IS NULL")
                .bind(id.0)
                .bind(now.timestamp_millis())
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(())
    }

    /// Removes actions that ended before, with their failures; answers how many.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_bulk_actions(&self, ended_before: DateTime<Utc>) -> Result<u64, StoreError> {
        Ok(write_on!(self.db, pool => {
            let mut query = QueryBuilder::new("DELETE FROM bulk_actions WHERE ");
            query.push(ENDED).push(" AND updated_at < ").push_bind(ended_before.timestamp_millis());
            query.build().execute(pool).await.map(|done| done.rows_affected())
        })?)
    }

    async fn steer(
        &self,
        id: BulkActionId,
        to: BulkState,
        from: &'static str,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let rows = write_on!(self.db, pool => {
            let mut query = QueryBuilder::new("UPDATE bulk_actions SET state = ");
            query.push_bind(to.as_str());
            query.push(", changed_by = ").push_bind(by);
            query.push(", updated_at = ").push_bind(now.timestamp_millis());
            query.push(" WHERE id = ").push_bind(id.0).push(" AND ").push(from);
            query.build().execute(pool).await.map(|done| done.rows_affected())
        })?;
        Ok(rows > 0)
    }
}

/// A stored number of things that are few.
fn number(stored: i64) -> Result<u32, StoreError> {
    u32::try_from(stored).map_err(|_| StoreError::Corrupt("a number out of range".into()))
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    act: String,
    filter: String,
    canary: Option<i64>,
    canary_passed_at: Option<i64>,
    rate: i64,
    state: String,
    step: i64,
    cursor: Option<String>,
    exhausted: bool,
    matched: i64,
    done: i64,
    ended: i64,
    failed: i64,
    asked_by: String,
    changed_by: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for BulkAction {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: BulkActionId(row.id),
            act: word(&row.act, "an unknown act of a bulk action")?,
            filter: row.filter,
            canary: row.canary.map(number).transpose()?,
            canary_passed_at: time::at_opt(row.canary_passed_at)?,
            rate: number(row.rate)?,
            state: word(&row.state, "an unknown state of a bulk action")?,
            step: number(row.step)?,
            cursor: row.cursor,
            exhausted: row.exhausted,
            matched: row.matched.unsigned_abs(),
            done: row.done.unsigned_abs(),
            ended: row.ended.unsigned_abs(),
            failed: row.failed.unsigned_abs(),
            asked_by: row.asked_by,
            changed_by: row.changed_by,
            created_at: time::at(row.created_at)?,
            updated_at: time::at(row.updated_at)?,
        })
    }
}

//! What becomes of the letters of a bulk action, told and counted.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::BulkActionId;
use sqlx::QueryBuilder;
use uuid::Uuid;

use crate::db::Tx;
use crate::{Store, StoreError};

/// What has become of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetterFate {
    /// It lives: to be looked at again.
    Open {
        /// It is ready or running, and others may wait behind it.
        is_ready: bool,
        /// When.
        look_at: DateTime<Utc>,
    },
    /// Nothing is left of it to look at: it was removed, or it ran and ended.
    Gone,
    /// It could not be acted on, or died again.
    Failed {
        /// Why, without anything personal.
        reason: String,
    },
}

impl Store {
    /// Writes down what became of letters that were intended to be acted on: all but the failed ones were.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn letters_acted_on(
        &self,
        id: BulkActionId,
        fates: &[(Uuid, LetterFate)],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(id.0).await?;
        let told = tell(&mut tx, id, "state = 'intended'", fates, now).await?;
        count(&mut tx, id, told.open + told.gone, 0, told.failed, now).await?;
        tx.commit().await
    }

    /// Writes down what became of letters that were retried.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn letters_looked_at(
        &self,
        id: BulkActionId,
        fates: &[(Uuid, LetterFate)],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(id.0).await?;
        let told = tell(&mut tx, id, "state IN ('ready', 'waiting')", fates, now).await?;
        count(&mut tx, id, 0, told.gone, told.failed, now).await?;
        tx.commit().await
    }
}

/// How many rows changed, by what became of them.
#[derive(Default)]
struct Told {
    open: u64,
    gone: u64,
    failed: u64,
}

/// Changes the rows that are still what `from` says.
async fn tell(
    tx: &mut Tx,
    id: BulkActionId,
    from: &'static str,
    fates: &[(Uuid, LetterFate)],
    now: DateTime<Utc>,
) -> Result<Told, StoreError> {
    let mut told = Told::default();
    let mut gone = Vec::new();
    let mut open: BTreeMap<(bool, i64), Vec<Uuid>> = BTreeMap::new();
    for (job, fate) in fates {
        match fate {
            LetterFate::Gone => gone.push(*job),
            LetterFate::Open { is_ready, look_at } => {
                open.entry((*is_ready, look_at.timestamp_millis()))
                    .or_default()
                    .push(*job);
            }
            LetterFate::Failed { reason } => {
                told.failed += change(tx, id, from, &[*job], "failed", now.timestamp_millis(), Some(reason)).await?;
            }
        }
    }
    for ((is_ready, look_at), letters) in open {
        let state = if is_ready { "ready" } else { "waiting" };
        told.open += change(tx, id, from, &letters, state, look_at, None).await?;
    }
    told.gone = remove(tx, id, from, &gone).await?;
    Ok(told)
}

/// Ends a statement about letters: which of them.
macro_rules! push_which {
    ($query:expr, $id:expr, $from:expr, $letters:expr) => {
        $query
            .push(" WHERE action_id = ")
            .push_bind($id.0)
            .push(" AND ")
            .push($from)
            .push(" AND job_id");
        push_in!($query, job in $letters => *job);
    };
}

async fn change(
    tx: &mut Tx,
    id: BulkActionId,
    from: &'static str,
    letters: &[Uuid],
    state: &str,
    look_at: i64,
    reason: Option<&String>,
) -> Result<u64, StoreError> {
    Ok(on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new("UPDATE bulk_action_letters SET state = ");
        query.push_bind(state);
        query.push(", look_at = ").push_bind(look_at);
        query.push(", reason = ").push_bind(reason);
        push_which!(query, id, from, letters);
        query.build().execute(connection).await.map(|done| done.rows_affected())
    })?)
}

async fn remove(tx: &mut Tx, id: BulkActionId, from: &'static str, letters: &[Uuid]) -> Result<u64, StoreError> {
    if letters.is_empty() {
        return Ok(0);
    }
    Ok(on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new("DELETE FROM bulk_action_letters");
        push_which!(query, id, from, letters);
        query.build().execute(connection).await.map(|done| done.rows_affected())
    })?)
}

async fn count(
    tx: &mut Tx,
    id: BulkActionId,
    done: u64,
    ended: u64,
    failed: u64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "UPDATE bulk_actions SET done = done + $2, ended = ended + $3, failed = failed + $4, updated_at = $5
             WHERE id = $1")
            .bind(id.0)
            .bind(done.cast_signed())
            .bind(ended.cast_signed())
            .bind(failed.cast_signed())
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

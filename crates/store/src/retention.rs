//! What goes because of its age: messages that were sent, with all that was reported of them, scores of which nothing is
//! heard any more, which leave their sums in the archive, and that leads became hot, once it was handed on.
//!
//! Everything goes in steps, each a short transaction of a few rows found by an index. A step takes rows that nobody
//! works on and passes the others over: it waits for nobody and keeps nobody waiting for long. Before anything goes
//! it is counted ([`retention_totals`](Store::retention_totals)), in the transaction that lets it go. The figures of
//! delivery by day are kept apart and stay.

use chrono::{DateTime, Utc};
use domain::TenantId;
use serde_json::json;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::by_ids::act;
use crate::db::Tx;
use crate::leads::moved;
use crate::{Store, StoreError, contacts, time};

/// How much of a tenant's is old enough to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionDue {
    /// Messages; their events and attempts go with them.
    pub messages: i64,
    /// Scores, whose ledgers go into the archive with them.
    pub scores: i64,
    /// Crossings that were handed on.
    pub crossings: i64,
}

/// What was there before these moments is old enough to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionBefore {
    /// Messages that were begun before.
    pub sends: DateTime<Utc>,
    /// Scores of which nothing was heard since.
    pub scores: DateTime<Utc>,
    /// Crossings of before.
    pub crossings: DateTime<Utc>,
}

/// What one step let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PurgedSends {
    /// Messages.
    pub messages: u64,
    /// Events of messages.
    pub events: u64,
    /// Attempts to send messages.
    pub attempts: u64,
    /// The age from which on the next step looks; `None` when there was nothing more to find.
    pub reached: Option<DateTime<Utc>>,
}

/// What one step put into the archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArchivedScores {
    /// Scores.
    pub scores: usize,
    /// Lines of their ledgers.
    pub lines: u64,
    /// The age from which on the next step looks; `None` when there was nothing more to find.
    pub reached: Option<DateTime<Utc>>,
}

/// Events of messages that one step lets go at most: of one message there may be many.
const EVENTS_AT_ONCE: i64 = 500;

pub(crate) const OLD_SENDS: [&str; 2] = [
    "SELECT id, created_at FROM messages
     WHERE tenant_id = $1 AND created_at >= $2 AND created_at < $3 AND COALESCE(scheduled_at, 0) < $3
     ORDER BY created_at, id LIMIT $4",
    "SELECT id, created_at FROM messages
     WHERE tenant_id = $1 AND created_at >= $2 AND created_at < $3 AND COALESCE(scheduled_at, 0) < $3
     ORDER BY created_at, id LIMIT $4 FOR UPDATE SKIP LOCKED",
];

pub(crate) const IDLE_SCORES: &str = "SELECT contact_id, last_event_at FROM lead_scores
     WHERE tenant_id = $1 AND last_event_at >= $2 AND last_event_at < $3 ORDER BY last_event_at, contact_id LIMIT $4";

pub(crate) const OLD_CROSSINGS: [&str; 2] = [
    "DELETE FROM lead_crossings WHERE id IN (SELECT id FROM lead_crossings
     WHERE handed_at IS NOT NULL AND crossed_at < $1 ORDER BY crossed_at LIMIT $2)",
    "DELETE FROM lead_crossings WHERE id IN (SELECT id FROM lead_crossings
     WHERE handed_at IS NOT NULL AND crossed_at < $1 ORDER BY crossed_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
];

pub(crate) const DUE: [&str; 3] = [
    "SELECT COUNT(*) FROM messages WHERE tenant_id = $1 AND created_at < $2 AND COALESCE(scheduled_at, 0) < $2",
    "SELECT COUNT(*) FROM lead_scores WHERE tenant_id = $1 AND last_event_at < $2",
    "SELECT COUNT(*) FROM lead_crossings WHERE tenant_id = $1 AND handed_at IS NOT NULL AND crossed_at < $2",
];

#[derive(FromRow)]
struct ScoreRow {
    contact_id: Uuid,
    score: i64,
    last_event_at: i64,
}

#[derive(FromRow)]
struct SumRow {
    contact_id: Uuid,
    reason: String,
    lines: i64,
    moved: i64,
}

impl Store {
    /// How much of a tenant's was there before these moments: what would go. Changes nothing.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn retention_due(&self, tenant: TenantId, before: &RetentionBefore) -> Result<RetentionDue, StoreError> {
        let mut counts = [0; 3];
        let moments = [before.sends, before.scores, before.crossings];
        for ((count, statement), before) in counts.iter_mut().zip(DUE).zip(moments) {
            *count = on!(self.db.reader(), pool =>
                sqlx::query_scalar(statement)
                    .bind(tenant.0)
                    .bind(before.timestamp_millis())
                    .fetch_one(pool)
                    .await)?;
        }
        let [messages, scores, crossings] = counts;
        Ok(RetentionDue {
            messages,
            scores,
            crossings,
        })
    }

    /// Deletes a tenant's messages that were begun before `before`, with their events and attempts: one step of at most
    /// `limit` messages, the oldest first, those before `from` left out.
    ///
    /// # Errors
    /// Only those of the database; then nothing of the step was done.
    pub async fn purge_sends(
        &self,
        tenant: TenantId,
        before: DateTime<Utc>,
        from: Option<DateTime<Utc>>,
        limit: u32,
    ) -> Result<PurgedSends, StoreError> {
        let mut tx = self.db.begin().await?;
        let statement = OLD_SENDS[usize::from(matches!(tx, Tx::Postgres(_)))];
        let old: Vec<(Uuid, i64)> = on!(tx.connection(), connection =>
            sqlx::query_as(statement)
                .bind(tenant.0)
                .bind(from.map_or(i64::MIN, |from| from.timestamp_millis()))
                .bind(before.timestamp_millis())
                .bind(i64::from(limit))
                .fetch_all(connection)
                .await)?;
        let Some((_, last)) = old.last() else {
            return Ok(PurgedSends::default());
        };
        let ids: Vec<Uuid> = old.iter().map(|(id, _)| *id).collect();
        let mut purged = PurgedSends {
            events: delete_events(&mut tx, tenant, &ids).await?,
            ..PurgedSends::default()
        };
        if purged.events < EVENTS_AT_ONCE.unsigned_abs() {
            // Nothing hangs on them any more but attempts.
            purged.attempts = act(&mut tx, "DELETE FROM message_attempts", "message_id", tenant, &ids).await?;
            purged.messages = act(&mut tx, "DELETE FROM messages", "id", tenant, &ids).await?;
            purged.reached = Some(time::at(*last)?);
        } else {
            purged.reached = Some(time::at(old[0].1)?);
        }
        let PurgedSends {
            messages,
            events,
            attempts,
            ..
        } = purged;
        count(
            &mut tx,
            [("messages", messages), ("events", events), ("attempts", attempts)],
        )
        .await?;
        tx.commit().await?;
        Ok(purged)
    }

    /// Puts a tenant's scores into the archive of which nothing was heard since `before`: one step of at most
    /// `limit`, the longest silence first, those before `from` left out. Who is heard of again begins at nothing.
    ///
    /// # Errors
    /// Only those of the database; then nothing of the step was done.
    pub async fn archive_scores(
        &self,
        tenant: TenantId,
        before: DateTime<Utc>,
        from: Option<DateTime<Utc>>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<ArchivedScores, StoreError> {
        let mut tx = self.db.begin().await?;
        let idle: Vec<(Uuid, i64)> = on!(tx.connection(), connection =>
            sqlx::query_as(IDLE_SCORES)
                .bind(tenant.0)
                .bind(from.map_or(i64::MIN, |from| from.timestamp_millis()))
                .bind(before.timestamp_millis())
                .bind(i64::from(limit))
                .fetch_all(connection)
                .await)?;
        let Some((_, last)) = idle.last() else {
            return Ok(ArchivedScores::default());
        };
        let reached = Some(time::at(*last)?);
        let ids: Vec<Uuid> = idle.iter().map(|(id, _)| *id).collect();
        let locked = contacts::lock_free(&mut tx, tenant, &ids).await?;
        let scores = idle_scores(&mut tx, tenant, &locked, before).await?;
        if scores.is_empty() {
            return Ok(ArchivedScores {
                reached,
                ..ArchivedScores::default()
            });
        }
        let ids: Vec<Uuid> = scores.iter().map(|row| row.contact_id).collect();
        write_archive(&mut tx, tenant, &scores, now).await?;
        let archived = ArchivedScores {
            lines: act(&mut tx, "DELETE FROM lead_ledger", "contact_id", tenant, &ids).await?,
            scores: scores.len(),
            reached,
        };
        act(&mut tx, "DELETE FROM lead_scores", "contact_id", tenant, &ids).await?;
        let scores = u64::try_from(archived.scores).unwrap_or(u64::MAX);
        count(&mut tx, [("scores", scores), ("ledger_lines", archived.lines)]).await?;
        tx.commit().await?;
        Ok(archived)
    }

    /// Deletes crossings of all tenants that were handed on and are older than `before`: one step of at most `limit`, the
    /// oldest first. Answers how many went; fewer than `limit`: there are no more.
    ///
    /// # Errors
    /// Only those of the database; then nothing of the step was done.
    pub async fn forget_crossings(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let statement = OLD_CROSSINGS[usize::from(matches!(tx, Tx::Postgres(_)))];
        let gone = on!(tx.connection(), connection =>
            sqlx::query(statement)
                .bind(before.timestamp_millis())
                .bind(i64::from(limit))
                .execute(connection)
                .await
                .map(|done| done.rows_affected()))?;
        count(&mut tx, [("crossings", gone)]).await?;
        tx.commit().await?;
        Ok(gone)
    }

    /// How many rows ever went because of their age, by kind.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn retention_totals(&self) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(on!(self.db.reader(), pool =>
            sqlx::query_as("SELECT kind, gone FROM retention_totals ORDER BY kind").fetch_all(pool).await)?)
    }
}

/// Deletes events of these messages, as many as one step may.
async fn delete_events(tx: &mut Tx, tenant: TenantId, messages: &[Uuid]) -> Result<u64, StoreError> {
    Ok(on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new(
            "DELETE FROM message_events WHERE id IN (SELECT id FROM message_events WHERE tenant_id = ");
        query.push_bind(tenant.0).push(" AND message_id");
        push_in!(query, id in messages => *id);
        query.push(" LIMIT ").push_bind(EVENTS_AT_ONCE).push(")");
        query.build().execute(connection).await.map(|done| done.rows_affected())
    })?)
}

/// The scores of these locked contacts that are still idle.
async fn idle_scores(
    tx: &mut Tx,
    tenant: TenantId,
    contacts: &[Uuid],
    before: DateTime<Utc>,
) -> Result<Vec<ScoreRow>, StoreError> {
    if contacts.is_empty() {
        return Ok(Vec::new());
    }
    Ok(on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new("SELECT contact_id, score, last_event_at FROM lead_scores WHERE tenant_id = ");
        query.push_bind(tenant.0).push(" AND last_event_at < ").push_bind(before.timestamp_millis());
        query.push(" AND contact_id");
        push_in!(query, contact in contacts => *contact);
        query.build_query_as().fetch_all(connection).await
    })?)
}

/// Writes what is left of scores and their ledgers.
async fn write_archive(
    tx: &mut Tx,
    tenant: TenantId,
    scores: &[ScoreRow],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let sums: Vec<SumRow> = on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new(concat!(
            "SELECT contact_id, reason, COUNT(*) AS lines, CAST(SUM(",
            moved!(),
            ") AS BIGINT) AS moved FROM lead_ledger WHERE tenant_id = "));
        query.push_bind(tenant.0).push(" AND contact_id");
        push_in!(query, row in scores => row.contact_id);
        query.push(" GROUP BY contact_id, reason ORDER BY reason");
        query.build_query_as().fetch_all(connection).await
    })?;
    let reasons = |contact: Uuid| {
        let of_it = sums.iter().filter(|sum| sum.contact_id == contact);
        let listed = of_it.map(|sum| json!({ "reason": sum.reason, "moved": sum.moved, "lines": sum.lines }));
        serde_json::Value::Array(listed.collect()).to_string()
    };
    on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new(
            "INSERT INTO lead_archive (tenant_id, contact_id, score, last_event_at, reasons, archived_at) ");
        query.push_values(scores, |mut values, row| {
            values.push_bind(tenant.0).push_bind(row.contact_id).push_bind(row.score).push_bind(row.last_event_at);
            values.push_bind(reasons(row.contact_id)).push_bind(now.timestamp_millis());
        });
        query.build().execute(connection).await.map(|_| ())
    })?;
    Ok(())
}

/// Counts what is about to be gone.
async fn count<const N: usize>(tx: &mut Tx, gone: [(&'static str, u64); N]) -> Result<(), StoreError> {
    for (kind, gone) in gone {
        if gone == 0 {
            continue;
        }
        on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO retention_totals (kind, gone) VALUES ($1, $2)
                 ON CONFLICT (kind) DO UPDATE SET gone = retention_totals.gone + excluded.gone")
                .bind(kind)
                .bind(i64::try_from(gone).unwrap_or(i64::MAX))
                .execute(connection)
                .await
                .map(|_| ()))?;
    }
    Ok(())
}

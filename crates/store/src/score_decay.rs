//! What goes of scores with every week, for those that nobody is heard of: in steps of a few contacts.
//!
//! A step takes contacts along the index of the weeks that took their share last, up to this one. It
//! locks those that nobody else works on, reads their scores again under the lock, and writes what is left with the
//! week that took it. Whoever it passes over is being worked on, and is found by the next pass; if that work touches
//! the score, it takes the share itself. So it does not matter how many do this at once, nor where one of them dies:
//! a score that has lost the share of a week is not taken again.

use chrono::{DateTime, Utc};
use domain::TenantId;
use domain::scoring::Week;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::score_changes::{Entry, stored_week};
use crate::score_rules::{RulesInForce, RulesRow, rule_columns};
use crate::{Store, StoreError, contacts};

/// Where a pass over a tenant's leads goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScorePlace {
    decayed_week: i64,
    contact: Uuid,
}

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecayStep {
    /// Scores that lost a share.
    pub decayed: usize,
    /// Scores that somebody else was working on; to be looked at again.
    pub passed_over: usize,
    /// Where the pass goes on; `None` at its end.
    pub next: Option<ScorePlace>,
}

/// Scores that have not lost the share of this week. Those that lose it leave the range, so that a pass that begins anew
/// reads nothing twice.
pub(crate) const DUE: &str = "SELECT contact_id, decayed_week FROM lead_scores
     WHERE tenant_id = $1 AND score > 0 AND (decayed_week, contact_id) > ($2, $3) AND decayed_week < $4
     ORDER BY decayed_week, contact_id LIMIT $5";

#[derive(FromRow)]
struct Row {
    contact_id: Uuid,
    score: i64,
    decayed_week: i64,
}

impl Store {
    /// Takes from a tenant's scores what went with the weeks that have begun: one step of at most `limit` contacts,
    /// from `place` on or from the longest ago. Every week goes once, however often and by however many this is done;
    /// what went with several weeks at once is one line of the ledger.
    ///
    /// # Errors
    /// Only those of the database; then nothing of the step was done.
    pub async fn decay_scores(
        &self,
        tenant: TenantId,
        place: Option<ScorePlace>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<DecayStep, StoreError> {
        let mut tx = self.db.begin().await?;
        let Some(by) = rules(&mut tx, tenant).await? else {
            return Ok(DecayStep::default());
        };
        let due = due(&mut tx, tenant, place, limit, now).await?;
        let Some(&(contact, decayed_week)) = due.last() else {
            return Ok(DecayStep::default());
        };
        let contacts: Vec<Uuid> = due.iter().map(|(contact, _)| *contact).collect();
        let locked = contacts::lock_free(&mut tx, tenant, &contacts).await?;
        let (mut settled, mut lost) = (Vec::new(), Vec::new());
        for row in scores(&mut tx, tenant, &locked, now).await? {
            let left = by.left(row.score, stored_week(row.decayed_week), now);
            settled.push((row.contact_id, left));
            if left < row.score {
                lost.push((row.contact_id, Entry::of_decay(row.score, left)));
            }
        }
        write(&mut tx, tenant, &settled, &lost, now).await?;
        tx.commit().await?;
        Ok(DecayStep {
            decayed: lost.len(),
            passed_over: contacts.len() - locked.len(),
            next: (due.len() >= limit as usize).then_some(ScorePlace { decayed_week, contact }),
        })
    }
}

#[derive(FromRow)]
struct RulesOnly {
    #[sqlx(flatten)]
    rules: RulesRow,
}

/// The tenant's rules; `None` if nothing goes by them.
async fn rules(tx: &mut Tx, tenant: TenantId) -> Result<Option<RulesInForce>, StoreError> {
    let row: RulesOnly = on!(tx.connection(), connection =>
        sqlx::query_as(concat!(
            "SELECT ",
            rule_columns!(),
            " FROM (SELECT 1 AS one) base LEFT JOIN score_rules rules ON rules.tenant_id = $1"))
            .bind(tenant.0)
            .fetch_one(connection)
            .await)?;
    let by = row.rules.in_force();
    Ok((by.rules.decay.percent > 0).then_some(by))
}

/// The next contacts of a pass, and which week took its share of them last.
async fn due(
    tx: &mut Tx,
    tenant: TenantId,
    place: Option<ScorePlace>,
    limit: u32,
    now: DateTime<Utc>,
) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let place = place.unwrap_or(ScorePlace {
        decayed_week: -1,
        contact: Uuid::nil(),
    });
    Ok(on!(tx.connection(), connection =>
        sqlx::query_as(DUE)
            .bind(tenant.0)
            .bind(place.decayed_week)
            .bind(place.contact)
            .bind(Week::of(now).0)
            .bind(i64::from(limit))
            .fetch_all(connection)
            .await)?)
}

/// The scores of locked contacts that have not lost the share of this week.
async fn scores(tx: &mut Tx, tenant: TenantId, contacts: &[Uuid], now: DateTime<Utc>) -> Result<Vec<Row>, StoreError> {
    if contacts.is_empty() {
        return Ok(Vec::new());
    }
    Ok(on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new("SELECT contact_id, score, decayed_week FROM lead_scores WHERE tenant_id = ");
        query.push_bind(tenant.0).push(" AND decayed_week < ").push_bind(Week::of(now).0);
        query.push(" AND contact_id");
        push_in!(query, contact in contacts => *contact);
        query.build_query_as().fetch_all(connection).await
    })?)
}

/// Writes what is left of the scores of locked contacts, and what they lost.
async fn write(
    tx: &mut Tx,
    tenant: TenantId,
    settled: &[(Uuid, i64)],
    lost: &[(Uuid, Entry)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if settled.is_empty() {
        return Ok(());
    }
    on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new("UPDATE lead_scores SET score = settled.column2, decayed_week = ");
        query.push_bind(Week::of(now).0).push(" FROM (");
        query.push_values(settled, |mut row, (contact, left)| {
            row.push_bind(*contact).push_bind(*left);
        });
        query.push(") settled WHERE lead_scores.tenant_id = ").push_bind(tenant.0);
        query.push(" AND lead_scores.contact_id = settled.column1");
        query.build().execute(connection).await.map(|_| ())
    })?;
    if lost.is_empty() {
        return Ok(());
    }
    on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new(
            "INSERT INTO lead_ledger (tenant_id, contact_id, reason, points, moved, score_after, recorded_at) ");
        query.push_values(lost, |mut row, (contact, entry)| {
            row.push_bind(tenant.0).push_bind(*contact).push_bind(entry.reason.as_str());
            row.push_bind(entry.points).push_bind(entry.moved).push_bind(entry.score_after);
            row.push_bind(now.timestamp_millis());
        });
        query.build().execute(connection).await.map(|_| ())
    })?;
    Ok(())
}

//! How a score changes: within the transaction of whatever changes it, with the contact locked.
//!
//! Whoever changes a score first takes from it what went with the weeks since the last change ([`settle`]), so that
//! it is up to date when points are added. Every change leaves a line in the ledger, and a score that rises to that
//! of a hot lead a crossing.

use chrono::{DateTime, Utc};
use domain::delivery::Counters;
use domain::scoring::{self, Reason, Week};
use domain::{ContactId, EmailEvent, MessageId, TenantId};
use sqlx::FromRow;

use crate::db::Tx;
use crate::score_rules::{RulesInForce, RulesRow, rule_columns};
use crate::{StoreError, crossings};

/// A contact's score as it is stored.
#[derive(Clone, Copy)]
struct Held {
    score: i64,
    /// In milliseconds.
    last_event_at: i64,
    /// The last week that took its share; `None` if that is unknown.
    decayed: Option<Week>,
}

/// A contact's score, and by which rules it changes.
struct Standing {
    by: RulesInForce,
    held: Option<Held>,
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    rules: RulesRow,
    score: Option<i64>,
    last_event_at: Option<i64>,
    decayed_week: Option<i64>,
}

/// A line about to be written.
pub(crate) struct Entry {
    pub(crate) reason: Reason,
    pub(crate) points: i64,
    /// By how much the score moves.
    pub(crate) moved: i64,
    pub(crate) score_after: i64,
    pub(crate) message: Option<MessageId>,
}

/// Reads the score of a locked contact.
async fn standing(tx: &mut Tx, tenant: TenantId, contact: ContactId) -> Result<Standing, StoreError> {
    let row: Row = on!(tx.connection(), connection =>
        sqlx::query_as(concat!(
            "SELECT ",
            rule_columns!(),
            ", held.score, held.last_event_at, held.decayed_week
             FROM (SELECT 1 AS one) base
             LEFT JOIN score_rules rules ON rules.tenant_id = $1
             LEFT JOIN lead_scores held ON held.tenant_id = $1 AND held.contact_id = $2"))
            .bind(tenant.0)
            .bind(contact.0)
            .fetch_one(connection)
            .await)?;
    let held = row.score.zip(row.last_event_at).map(|(score, last_event_at)| Held {
        score,
        last_event_at,
        decayed: stored_week(row.decayed_week.unwrap_or(0)),
    });
    Ok(Standing {
        by: row.rules.in_force(),
        held,
    })
}

/// A stored week.
pub(crate) fn stored_week(week: i64) -> Option<Week> {
    (week > 0).then_some(Week(week))
}

/// What is left now of the score of a locked contact, 0 if there is none; what went stands in the ledger. The score
/// itself is written by whoever changes it.
async fn settle(
    tx: &mut Tx,
    tenant: TenantId,
    contact: ContactId,
    standing: &Standing,
    now: DateTime<Utc>,
) -> Result<i64, StoreError> {
    let Some(held) = &standing.held else { return Ok(0) };
    let left = standing.by.left(held.score, held.decayed, now);
    if left < held.score {
        write(tx, tenant, contact, &Entry::of_decay(held.score, left), now).await?;
    }
    Ok(left)
}

impl Entry {
    /// What went of a score with the weeks.
    pub(crate) const fn of_decay(score: i64, left: i64) -> Self {
        Self {
            reason: Reason::Decay,
            points: left - score,
            moved: left - score,
            score_after: left,
            message: None,
        }
    }
}

/// Gives a locked contact the points of something that happened to a message of theirs, whose counters were `before`.
/// Answers the points and the score after them.
#[expect(clippy::too_many_arguments, reason = "one call, each argument a different type")]
pub(crate) async fn award(
    tx: &mut Tx,
    tenant: TenantId,
    contact: ContactId,
    message: MessageId,
    before: &Counters,
    event: EmailEvent,
    occurred_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(i64, i64), StoreError> {
    let standing = standing(tx, tenant, contact).await?;
    let left = settle(tx, tenant, contact, &standing, now).await?;
    let award = standing.by.rules.weights.award(before, event);
    let points = award.map_or(0, |award| award.points);
    let score = scoring::apply(left, points);
    let last_event_at = occurred_at.timestamp_millis();
    let last_event_at = (standing.held).map_or(last_event_at, |held| held.last_event_at.max(last_event_at));
    set_score(tx, tenant, contact, score, last_event_at, now).await?;
    if let Some(award) = award {
        let entry = Entry {
            reason: award.reason,
            points,
            moved: score - left,
            score_after: score,
            message: Some(message),
        };
        write(tx, tenant, contact, &entry, now).await?;
    }
    crossings::notice(tx, tenant, contact, &standing.by.rules, (left, score), now).await?;
    Ok((points, score))
}

/// Moves score, ledger, crossings and archive of a contact to another one. Both are locked; `from` is removed afterwards.
pub(crate) async fn merge(
    tx: &mut Tx,
    tenant: TenantId,
    from: ContactId,
    into: ContactId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let lost = standing(tx, tenant, from).await?;
    // Into the ledger that is about to move.
    let brought = settle(tx, tenant, from, &lost, now).await?;
    for statement in [
        "UPDATE lead_ledger SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2",
        "UPDATE lead_crossings SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2",
        "UPDATE lead_archive SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2",
    ] {
        on!(tx.connection(), connection =>
            sqlx::query(statement).bind(tenant.0).bind(from.0).bind(into.0).execute(connection).await.map(|_| ()))?;
    }
    let Some(lost) = lost.held else { return Ok(()) };
    let standing = standing(tx, tenant, into).await?;
    let left = settle(tx, tenant, into, &standing, now).await?;
    let score = left.saturating_add(brought);
    let last_event_at = (standing.held).map_or(lost.last_event_at, |held| held.last_event_at.max(lost.last_event_at));
    set_score(tx, tenant, into, score, last_event_at, now).await?;
    if brought > 0 {
        let entry = Entry {
            reason: Reason::Merge,
            points: brought,
            // The lines that moved along say what moved it.
            moved: 0,
            score_after: score,
            message: None,
        };
        write(tx, tenant, into, &entry, now).await?;
    }
    // A lead that one of the two was already becomes hot no second time.
    let before = left.max(brought);
    crossings::notice(tx, tenant, into, &standing.by.rules, (before, score), now).await
}

/// Writes the score of a locked contact, from which nothing is due now.
async fn set_score(
    tx: &mut Tx,
    tenant: TenantId,
    contact: ContactId,
    score: i64,
    last_event_at: i64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO lead_scores (tenant_id, contact_id, score, last_event_at, decayed_week)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant_id, contact_id) DO UPDATE SET
                 score = excluded.score, last_event_at = excluded.last_event_at,
                 decayed_week = CASE WHEN excluded.decayed_week > lead_scores.decayed_week
                     THEN excluded.decayed_week ELSE lead_scores.decayed_week END")
            .bind(tenant.0)
            .bind(contact.0)
            .bind(score)
            .bind(last_event_at)
            .bind(Week::of(now).0)
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

/// Writes a line into the ledger of a locked contact.
async fn write(
    tx: &mut Tx,
    tenant: TenantId,
    contact: ContactId,
    entry: &Entry,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO lead_ledger (tenant_id, contact_id, reason, points, moved, score_after, message_id, recorded_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(tenant.0)
            .bind(contact.0)
            .bind(entry.reason.as_str())
            .bind(entry.points)
            .bind(entry.moved)
            .bind(entry.score_after)
            .bind(entry.message.map(|message| message.0))
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

//! What there is to tell of alerts: an outbox. Whoever tells takes one notice for a while, tells it, and says how it went; if
//! nothing is heard of them, another one takes it. So each is told at least once, and whoever is told knows it by one name.

use chrono::{DateTime, Utc};
use domain::{AlertChange, AlertId, AlertRule};
use sqlx::FromRow;
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::word;
use crate::{Store, StoreError, time};

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertNotice {
    /// Of which alert.
    pub alert: AlertId,
    /// What is told of it.
    pub change: AlertChange,
    /// By which way.
    pub destination: String,
    /// What goes wrong.
    pub rule: AlertRule,
    /// With which queue, endpoint or account.
    pub subject: String,
    /// What was found when it changed.
    pub value: u64,
    /// Since when it was wrong.
    pub since: DateTime<Utc>,
    /// When it changed.
    pub made_at: DateTime<Utc>,
    /// Which attempt to tell it this is, 1 for the first.
    pub attempt: u32,
}

#[derive(FromRow)]
struct Row {
    alert_id: Uuid,
    change: String,
    destination: String,
    rule: String,
    subject: String,
    value: i64,
    since: i64,
    made_at: i64,
    attempts: i64,
}

/// Of two who take at once, one finds that it is due no more. That it is over is told when its beginning was, or was given up.
pub(crate) const TAKE: &str = "UPDATE alert_notices SET next_at = $2, attempts = attempts + 1
     WHERE next_at <= $1 AND (alert_id, change, destination) IN
         (SELECT alert_id, change, destination FROM alert_notices due WHERE next_at <= $1 AND destination = $3
             AND NOT EXISTS (SELECT 1 FROM alert_notices first WHERE due.change = 'recovered'
                 AND first.alert_id = due.alert_id AND first.destination = due.destination
                 AND first.change = 'fired' AND first.next_at IS NOT NULL)
          ORDER BY next_at, alert_id, change, destination LIMIT 1)
     RETURNING alert_id, change, destination, value, made_at, attempts,
         (SELECT rule FROM alerts WHERE id = alert_id) AS rule, (SELECT subject FROM alerts WHERE id = alert_id) AS subject,
         (SELECT since FROM alerts WHERE id = alert_id) AS since";

impl Store {
    /// Takes the notice for a destination that has been due longest until that moment; `None` = none is, or somebody else took
    /// it just now.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn take_alert_notice(
        &self,
        destination: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<AlertNotice>, StoreError> {
        let row: Option<Row> = write_on!(self.db, pool =>
            sqlx::query_as(TAKE)
                .bind(now.timestamp_millis())
                .bind(until.timestamp_millis())
                .bind(destination)
                .fetch_optional(pool)
                .await)?;
        row.map(AlertNotice::try_from).transpose()
    }

    /// It was told. Once more is harmless.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn alert_notice_told(&self, notice: &AlertNotice, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.end_alert_notice(notice, Some(now), "told").await
    }

    /// It is not to be tried any more.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn alert_notice_given_up(&self, notice: &AlertNotice) -> Result<(), StoreError> {
        self.end_alert_notice(notice, None, "given_up").await
    }

    /// It was not told; it is to be tried again then.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn alert_notice_put_off(&self, notice: &AlertNotice, next_at: DateTime<Utc>) -> Result<(), StoreError> {
        write_on!(self.db, pool =>
            sqlx::query(
                "UPDATE alert_notices SET next_at = $4
                 WHERE alert_id = $1 AND change = $2 AND destination = $3 AND next_at IS NOT NULL AND attempts = $5")
                .bind(notice.alert.0)
                .bind(notice.change.as_str())
                .bind(&notice.destination)
                .bind(next_at.timestamp_millis())
                .bind(i64::from(notice.attempt))
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(())
    }

    /// How many notices ended how, ever: destination, `told` or `given_up`, number.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn alert_totals(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        Ok(on!(self.db.reader(), pool =>
            sqlx::query_as("SELECT destination, outcome, notices FROM alert_totals ORDER BY destination, outcome")
                .fetch_all(pool)
                .await)?)
    }

    async fn end_alert_notice(
        &self,
        notice: &AlertNotice,
        told_at: Option<DateTime<Utc>>,
        outcome: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let ended = on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE alert_notices SET next_at = NULL, told_at = $4
                 WHERE alert_id = $1 AND change = $2 AND destination = $3 AND next_at IS NOT NULL")
                .bind(notice.alert.0)
                .bind(notice.change.as_str())
                .bind(&notice.destination)
                .bind(told_at.map(|at| at.timestamp_millis()))
                .execute(connection)
                .await
                .map(|done| done.rows_affected() > 0))?;
        if ended {
            count(&mut tx, &notice.destination, outcome).await?;
        }
        tx.commit().await
    }
}

async fn count(tx: &mut Tx, destination: &str, outcome: &str) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO alert_totals (destination, outcome, notices) VALUES ($1, $2, 1)
             ON CONFLICT (destination, outcome) DO UPDATE SET notices = alert_totals.notices + 1")
            .bind(destination)
            .bind(outcome)
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

impl TryFrom<Row> for AlertNotice {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            alert: AlertId(row.alert_id),
            change: word(&row.change, "an unknown change of alerts")?,
            destination: row.destination,
            rule: word(&row.rule, "an unknown rule of alerts")?,
            subject: row.subject,
            value: row.value.unsigned_abs(),
            since: time::at(row.since)?,
            made_at: time::at(row.made_at)?,
            attempt: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        })
    }
}

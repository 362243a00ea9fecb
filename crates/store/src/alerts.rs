//! What goes wrong with the installation, and what is remembered from one look to the next.
//!
//! Whoever looks reads the memory with its version, and writes the next one together with what fired or recovered and the
//! notices of it: in one transaction, and only if nobody else wrote since. So of many who look at once one tells, and there is
//! no alert without its notices.

use chrono::{DateTime, Utc};
use domain::alert::AlertNews;
use domain::{AlertChange, AlertId, AlertRule};
use sqlx::FromRow;
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::word;
use crate::page::LIMIT_MAX;
use crate::{Store, StoreError, time};

/// What is remembered from one look to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertMemory {
    version: i64,
    /// JSON.
    pub memory: String,
    /// When somebody looked last.
    pub looked_at: DateTime<Utc>,
}

/// Something that goes wrong, or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// What it is.
    pub rule: AlertRule,
    /// With which queue, endpoint or account.
    pub subject: String,
    /// What was found last while it fired.
    pub value: u64,
    /// Since when it was wrong.
    pub since: DateTime<Utc>,
    /// When it was told.
    pub fired_at: DateTime<Utc>,
    /// When it was over; `None` = it is not.
    pub recovered_at: Option<DateTime<Utc>>,
    /// How many notices of it were not delivered (yet).
    pub untold: u64,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    rule: String,
    subject: String,
    value: i64,
    since: i64,
    fired_at: i64,
    recovered_at: Option<i64>,
    untold: i64,
}

/// The columns of an alert; what it counts is of its own few notices.
macro_rules! alert {
    () => {
        "SELECT id, rule, subject, value, since, fired_at, recovered_at,
             (SELECT COUNT(*) FROM alert_notices WHERE alert_id = alerts.id AND told_at IS NULL) AS untold
         FROM alerts"
    };
}

pub(crate) const FIRING: &str = concat!(alert!(), " WHERE recovered_at IS NULL ORDER BY rule, subject LIMIT $1");

pub(crate) const LATEST: &str = concat!(
    alert!(),
    " WHERE fired_at <= $2 ORDER BY fired_at DESC, id DESC LIMIT $1"
);

impl Store {
    /// What is remembered.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn alert_memory(&self) -> Result<AlertMemory, StoreError> {
        let (version, memory, looked_at): (i64, String, i64) = on!(self.db.reader(), pool =>
            sqlx::query_as("SELECT version, memory, looked_at FROM alert_watch WHERE id = 1").fetch_one(pool).await)?;
        Ok(AlertMemory {
            version,
            memory,
            looked_at: time::at(looked_at)?,
        })
    }

    /// Remembers something else, writes down what there is to tell, and for whom. `false` = somebody else did since `before`
    /// was read, and nothing was written.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn remember_alerts(
        &self,
        before: &AlertMemory,
        memory: &str,
        news: &[AlertNews],
        destinations: &[&str],
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let is_ours = on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE alert_watch SET version = version + 1, memory = $2, looked_at = $3 WHERE id = 1 AND version = $1")
                .bind(before.version)
                .bind(memory)
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|done| done.rows_affected() > 0))?;
        if !is_ours {
            tx.rollback().await?;
            return Ok(false);
        }
        for news in news {
            write(&mut tx, news, now).await?;
            for destination in destinations {
                notify(&mut tx, news, destination, now).await?;
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Everything that fires, by rule.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn alerts_firing(&self) -> Result<Vec<Alert>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(FIRING).bind(i64::from(LIMIT_MAX)).fetch_all(pool).await)?;
        rows.into_iter().map(Alert::try_from).collect()
    }

    /// The alerts that fired last, newest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn alerts_latest(&self, limit: u32) -> Result<Vec<Alert>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(LATEST)
                .bind(i64::from(limit.min(LIMIT_MAX)))
                // One range of the index from its end.
                .bind(i64::MAX)
                .fetch_all(pool)
                .await)?;
        rows.into_iter().map(Alert::try_from).collect()
    }

    /// Deletes alerts that recovered before that moment, with their notices, at most `limit`. Answers how many went.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_alerts(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        Ok(write_on!(self.db, pool =>
            sqlx::query(
                "DELETE FROM alerts WHERE id IN
                     (SELECT id FROM alerts WHERE fired_at < $1 AND recovered_at < $1 ORDER BY fired_at LIMIT $2)")
                .bind(before.timestamp_millis())
                .bind(i64::from(limit))
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?)
    }
}

async fn write(tx: &mut Tx, news: &AlertNews, now: DateTime<Utc>) -> Result<(), StoreError> {
    if news.change == Some(AlertChange::Fired) {
        on!(tx.connection(), connection =>
            sqlx::query("INSERT INTO alerts (id, rule, subject, value, since, fired_at) VALUES ($1, $2, $3, $4, $5, $6)")
                .bind(news.id.0)
                .bind(news.rule.as_str())
                .bind(&news.subject)
                .bind(number(news.value))
                .bind(news.since.timestamp_millis())
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|_| ()))?;
        return Ok(());
    }
    let recovered = (news.change == Some(AlertChange::Recovered)).then_some(now.timestamp_millis());
    on!(tx.connection(), connection =>
        sqlx::query("UPDATE alerts SET value = $2, recovered_at = $3 WHERE id = $1")
            .bind(news.id.0)
            .bind(number(news.value))
            .bind(recovered)
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

async fn notify(tx: &mut Tx, news: &AlertNews, destination: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    let Some(change) = news.change else { return Ok(()) };
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO alert_notices (alert_id, change, destination, value, made_at, next_at)
             VALUES ($1, $2, $3, $4, $5, $5)")
            .bind(news.id.0)
            .bind(change.as_str())
            .bind(destination)
            .bind(number(news.value))
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl TryFrom<Row> for Alert {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: AlertId(row.id),
            rule: word(&row.rule, "an unknown rule of alerts")?,
            subject: row.subject,
            value: row.value.unsigned_abs(),
            since: time::at(row.since)?,
            fired_at: time::at(row.fired_at)?,
            recovered_at: time::at_opt(row.recovered_at)?,
            untold: row.untold.unsigned_abs(),
        })
    }
}

//! Delivery rates: counts per day, channel and provider.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use domain::{Channel, Figure, Figures, MessageId, TenantId};
use sqlx::FromRow;

use crate::db::Tx;
use crate::message_state::Known;
use crate::messages::word;
use crate::{Store, StoreError};

/// How many days can be asked for at once.
pub const DAYS_MAX: i64 = 366;

/// What became of the messages that were begun on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRate {
    /// The day the messages were begun, in UTC.
    pub day: NaiveDate,
    /// How they went.
    pub channel: Channel,
    /// Who carried them; `none` for those that nobody took.
    pub provider: String,
    /// In the order of [`Figure::ALL`].
    counts: [i64; Figure::ALL.len()],
}

impl DeliveryRate {
    /// How many messages this figure counts.
    #[must_use]
    pub fn count(&self, figure: Figure) -> u64 {
        u64::try_from(self.counts[figure as usize]).unwrap_or_default()
    }
}

/// No tenant has more rows in so many days: every channel, a dozen providers, all shards.
const ROWS_MAX: i64 = 200_000;

/// Rows of one day, channel and provider, so that messages written at once seldom wait for the same one.
const SHARDS: u8 = 8;

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// Who carried what nobody took.
const NOBODY: &str = "none";

macro_rules! figure_columns {
    () => {
        "accepted, sent, delivered, read, opened, clicked, failed, undelivered, bounced, complained, unsubscribed,
         canceled, expired"
    };
}

pub(crate) const RATES: &str = concat!(
    "SELECT day, channel, provider, ",
    figure_columns!(),
    " FROM delivery_daily WHERE tenant_id = $1 AND day >= $2 AND day <= $3
     ORDER BY day, channel, provider, shard LIMIT $4"
);

const COUNT: &str = concat!(
    "INSERT INTO delivery_daily (tenant_id, day, channel, provider, shard, ",
    figure_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
     ON CONFLICT (tenant_id, day, channel, provider, shard) DO UPDATE SET
         accepted = delivery_daily.accepted + excluded.accepted, sent = delivery_daily.sent + excluded.sent,
         delivered = delivery_daily.delivered + excluded.delivered, read = delivery_daily.read + excluded.read,
         opened = delivery_daily.opened + excluded.opened, clicked = delivery_daily.clicked + excluded.clicked,
         failed = delivery_daily.failed + excluded.failed,
         undelivered = delivery_daily.undelivered + excluded.undelivered,
         bounced = delivery_daily.bounced + excluded.bounced,
         complained = delivery_daily.complained + excluded.complained,
         unsubscribed = delivery_daily.unsubscribed + excluded.unsubscribed,
         canceled = delivery_daily.canceled + excluded.canceled, expired = delivery_daily.expired + excluded.expired"
);

#[derive(FromRow)]
struct Row {
    day: i64,
    channel: String,
    provider: String,
    accepted: i64,
    sent: i64,
    delivered: i64,
    read: i64,
    opened: i64,
    clicked: i64,
    failed: i64,
    undelivered: i64,
    bounced: i64,
    complained: i64,
    unsubscribed: i64,
    canceled: i64,
    expired: i64,
}

impl Row {
    const fn count(&self, figure: Figure) -> i64 {
        match figure {
            Figure::Accepted => self.accepted,
            Figure::Sent => self.sent,
            Figure::Delivered => self.delivered,
            Figure::Read => self.read,
            Figure::Opened => self.opened,
            Figure::Clicked => self.clicked,
            Figure::Failed => self.failed,
            Figure::Undelivered => self.undelivered,
            Figure::Bounced => self.bounced,
            Figure::Complained => self.complained,
            Figure::Unsubscribed => self.unsubscribed,
            Figure::Canceled => self.canceled,
            Figure::Expired => self.expired,
        }
    }
}

impl Store {
    /// What became of the messages begun from the day `from` to the day `to`, both included; at most [`DAYS_MAX`] days.
    /// Ordered by day, channel, provider. Each message counts at most once per figure, on the day it was begun: so what was
    /// delivered can be divided by what was sent.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn delivery_rates(
        &self,
        tenant: TenantId,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<DeliveryRate>, StoreError> {
        let number = |day: NaiveDate| day.signed_duration_since(NaiveDate::default()).num_days();
        let (from, to) = (number(from), number(to));
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(RATES)
                .bind(tenant.0)
                .bind(from)
                .bind(to.min(from.saturating_add(DAYS_MAX - 1)))
                .bind(ROWS_MAX)
                .fetch_all(pool)
                .await)?;
        let mut rates: Vec<DeliveryRate> = Vec::new();
        for row in rows {
            let day = NaiveDate::default().checked_add_signed(TimeDelta::days(row.day));
            let day = day.ok_or(StoreError::Corrupt("a day out of range".into()))?;
            let channel: Channel = word(&row.channel, "an unknown channel")?;
            let same =
                |rate: &DeliveryRate| (rate.day, rate.channel) == (day, channel) && rate.provider == row.provider;
            if !rates.last().is_some_and(same) {
                rates.push(DeliveryRate {
                    day,
                    channel,
                    provider: row.provider.clone(),
                    counts: [0; Figure::ALL.len()],
                });
            }
            let Some(rate) = rates.last_mut() else { continue };
            for &figure in Figure::ALL {
                // A shard may have lost more than it had gained: only the sum of all is never below zero.
                rate.counts[figure as usize] += row.count(figure);
            }
        }
        Ok(rates)
    }
}

/// What a transaction changes in the figures of days. Written last and in one order, so that transactions which wait for
/// each other's rows do so for a moment only, and never in a circle.
#[derive(Default)]
pub(crate) struct Daily(BTreeMap<(i64, Channel, String, i64), [i64; Figure::ALL.len()]>);

impl Daily {
    /// A message that `known` tells of is counted in these figures from now on.
    pub(crate) fn gain(&mut self, message: MessageId, known: &Known, figures: Figures) {
        self.change(message, known, figures, 1);
    }

    /// It is no longer.
    pub(crate) fn lose(&mut self, message: MessageId, known: &Known, figures: Figures) {
        self.change(message, known, figures, -1);
    }

    fn change(&mut self, message: MessageId, known: &Known, figures: Figures, by: i64) {
        if figures == Figures::NONE {
            return;
        }
        let day = known.created_at.timestamp_millis().div_euclid(DAY_MILLIS);
        let provider = known.provider.clone().unwrap_or_else(|| NOBODY.to_owned());
        let shard = i64::from(message.0.as_bytes()[15] % SHARDS);
        let counts = self.0.entry((day, known.channel, provider, shard)).or_default();
        for &figure in Figure::ALL {
            counts[figure as usize] += if figures.has(figure) { by } else { 0 };
        }
    }

    /// Writes the changes.
    pub(crate) async fn write(self, tx: &mut Tx, tenant: TenantId) -> Result<(), StoreError> {
        for ((day, channel, provider, shard), counts) in self.0 {
            on!(tx.connection(), connection => {
                let mut query = sqlx::query(COUNT)
                    .bind(tenant.0)
                    .bind(day)
                    .bind(channel.as_str())
                    .bind(provider)
                    .bind(shard);
                for count in counts {
                    query = query.bind(count);
                }
                query.execute(connection).await.map(|_| ())
            })?;
        }
        Ok(())
    }
}

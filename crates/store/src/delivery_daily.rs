//! Delivery rates: counts per day, channel and provider.

use chrono::NaiveDate;
use domain::{Channel, Figure, TenantId};

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
    /// How many messages each figure counts, in the order of [`Figure::ALL`].
    pub(crate) counts: [u64; Figure::ALL.len()],
}

impl DeliveryRate {
    /// How many messages this figure counts.
    #[must_use]
    pub const fn count(&self, figure: Figure) -> u64 {
        self.counts[figure as usize]
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
        let _ = (tenant, from, to);
        Err(crate::not_yet())
    }
}

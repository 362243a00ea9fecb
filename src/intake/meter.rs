//! Figures of intake: how many requests were answered how, and how fast.

use std::time::Duration;

use axum::http::StatusCode;
use metrics::{Counter, Histogram, counter, histogram};

/// The answers that intake gives.
const STATUSES: [u16; 12] = [200, 202, 204, 400, 403, 404, 405, 413, 415, 422, 500, 503];

/// Handles to the figures, fetched once: a look-up by name for every request would cost more than counting.
pub(super) struct Meter {
    by_status: [Counter; STATUSES.len()],
    other: Counter,
    seconds: Histogram,
}

impl Meter {
    pub(super) fn new() -> Self {
        let by_status = STATUSES.map(|status| counter!("relais_webhooks_total", "status" => status.to_string()));
        Self {
            by_status,
            other: counter!("relais_webhooks_total", "status" => "other"),
            seconds: histogram!("relais_webhook_seconds"),
        }
    }

    pub(super) fn answered(&self, status: StatusCode, within: Duration) {
        let place = STATUSES.iter().position(|known| *known == status.as_u16());
        place.map_or(&self.other, |place| &self.by_status[place]).increment(1);
        self.seconds.record(within.as_secs_f64());
    }
}

//! How many requests had no good signature, by endpoint.
//!
//! Who posts nonsense must not make work for the store, so they are counted in memory and handed over now and then, one row for
//! each endpoint and minute. What cannot be handed over is not kept: while the store is away, counts are lost and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use domain::EndpointId;
use metrics::counter;
use store::Store;

use super::endpoints::Endpoints;

/// Between two times of handing over.
const HAND_OVER_EVERY: Duration = Duration::from_secs(10);

/// Counts since they were handed over. No more endpoints than there are: who posts to one that does not exist is not counted.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<EndpointId, u64>>);

impl Failures {
    /// Shows that there was none yet: of a figure that is new, no growth is seen.
    pub(super) fn begin(endpoint: EndpointId) {
        count_up(endpoint, 0);
    }

    /// One more.
    pub(super) fn note(&self, endpoint: EndpointId) {
        *self.lock().entry(endpoint).or_default() += 1;
    }

    /// Hands over what was counted.
    pub(super) async fn hand_over(&self, store: &Store) {
        let counted: Vec<_> = self.lock().drain().collect();
        for (endpoint, count) in &counted {
            count_up(*endpoint, *count);
        }
        if let Err(error) = store.count_signature_failures(&counted, Utc::now()).await {
            tracing::debug!(%error, "Counts of signatures that were not good are lost.");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<EndpointId, u64>> {
        // Nothing that is done under the lock leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count_up(endpoint: EndpointId, failures: u64) {
    counter!("relais_signature_failures_total", "endpoint" => endpoint.to_string()).increment(failures);
}

/// Hands over what these endpoints count, for ever.
pub async fn hand_over(endpoints: Arc<Endpoints>) {
    let mut every = tokio::time::interval(HAND_OVER_EVERY);
    loop {
        every.tick().await;
        endpoints.hand_over_failures().await;
    }
}

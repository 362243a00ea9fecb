//! Figures of alerts, as the store has them: of the whole installation.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::AlertRule;
use domain::alert::Watch;
use metrics::{counter, gauge};
use queue::Queue;
use store::{Store, StoreError};

use crate::alerts::tell::{EMAIL, WEBHOOK};

/// The alerts told so far: one that recovers is in no list any more, and is told so.
pub(super) type Told = HashSet<(AlertRule, String)>;

pub(super) fn describe() {
    metrics::describe_gauge!(
        "relais_alerts",
        "1 while an alert fires, by rule and subject; once it has fired."
    );
    metrics::describe_gauge!(
        "relais_alerts_looked_at_seconds",
        "When a clock last looked whether something goes wrong, in unix seconds."
    );
    metrics::describe_gauge!(
        "relais_queue_wait_seconds",
        "For how long the job that has been ready longest has been so at least, as far as clocks know."
    );
    metrics::describe_counter!(
        "relais_alert_notices_total",
        "Notices of alerts that were told or given up, by destination and outcome."
    );
    metrics::describe_counter!(
        "relais_signature_failures_total",
        "Requests that this process refused because of their signature, by endpoint."
    );
}

pub(super) async fn tell(store: &Store, told: &mut Told) -> Result<(), StoreError> {
    let firing: HashSet<_> = store
        .alerts_firing()
        .await?
        .into_iter()
        .map(|alert| (alert.rule, alert.subject))
        .collect();
    told.extend(firing.iter().cloned());
    for alert in told.iter() {
        let (rule, subject) = (alert.0.as_str(), alert.1.clone());
        gauge!("relais_alerts", "rule" => rule, "subject" => subject).set(if firing.contains(alert) {
            1.0
        } else {
            0.0
        });
    }
    // From the beginning: of a figure that is new, no growth is seen.
    for destination in [WEBHOOK, EMAIL] {
        for outcome in ["told", "given_up"] {
            counter!("relais_alert_notices_total", "destination" => destination, "outcome" => outcome).increment(0);
        }
    }
    for (destination, outcome, notices) in store.alert_totals().await? {
        counter!("relais_alert_notices_total", "destination" => destination, "outcome" => outcome)
            .absolute(notices.unsigned_abs());
    }
    let memory = store.alert_memory().await?;
    // Before the first look there is nothing to tell, and no moment that would look like one of long ago.
    if memory.looked_at > DateTime::UNIX_EPOCH {
        tell_looks(
            memory.looked_at,
            &serde_json::from_str(&memory.memory).unwrap_or_default(),
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
fn tell_looks(looked_at: DateTime<Utc>, watch: &Watch) {
    gauge!("relais_alerts_looked_at_seconds").set(looked_at.timestamp() as f64);
    for queue in Queue::ALL {
        let waited = watch.waited(queue.name(), looked_at).num_seconds();
        gauge!("relais_queue_wait_seconds", "queue" => queue.name()).set(waited as f64);
    }
}

//! One look: what is there, what it means, and what there is to tell.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use domain::AlertChange;
use domain::alert::{AlertNews, QueueReading, Readings, Thresholds, WINDOW, Watch};
use queue::backend::Mark;
use queue::{Client, Queue, QueueError};
use store::Store;

use super::{tell, words};
use crate::config::AlertSettings;
use crate::ops::serving::Serving;

/// Looks. Any number of them may.
pub struct Watcher {
    store: Store,
    queue: Client,
    thresholds: Thresholds,
    destinations: Vec<&'static str>,
}

impl Watcher {
    /// By these settings.
    #[must_use]
    pub fn new(store: Store, queue: Client, settings: &AlertSettings) -> Self {
        Self {
            store,
            queue,
            thresholds: settings.thresholds.clone(),
            destinations: tell::destinations(settings),
        }
    }

    /// Looks once, writes down what is found and what there is to tell of it.
    ///
    /// # Errors
    /// When the store cannot be asked, or what it remembers was never written by this program.
    pub async fn look(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        let before = self.store.alert_memory().await?;
        let mut watch: Watch = serde_json::from_str(&before.memory).context("what alerts remember cannot be read")?;
        let found = self.read(&watch, now).await;
        let news = watch.look(&found, &self.thresholds, now);
        let memory = serde_json::to_string(&watch)?;
        let is_ours = self
            .store
            .remember_alerts(&before, &memory, &news, &self.destinations, now)
            .await?;
        if is_ours {
            news.iter().for_each(log);
        }
        Ok(())
    }

    /// What cannot be read now is left out.
    async fn read(&self, watch: &Watch, now: DateTime<Utc>) -> Readings {
        let (queues, signatures, circuits) = tokio::join!(
            self.read_queues(watch, now),
            self.store.signature_failures(now - WINDOW),
            self.store.circuits(None),
        );
        let circuits = circuits.map(|circuits| {
            let of = |circuit: store::Circuit| (circuit.credential, circuit.state, u64::from(circuit.failures));
            circuits.into_iter().map(of).collect()
        });
        Readings {
            queues: told(queues),
            signature_failures: told(signatures),
            circuits: told(circuits),
        }
    }

    async fn read_queues(&self, watch: &Watch, now: DateTime<Utc>) -> Result<Vec<QueueReading>, QueueError> {
        let backend = self.queue.backend();
        let (workers, pauses) = (backend.workers(now.timestamp_millis()).await?, backend.pauses().await?);
        let mut readings = Vec::new();
        for queue in Queue::ALL {
            let counts = backend.counts(queue).await?;
            let marks: Vec<_> = watch.marks(queue.name()).into_iter().map(Mark).collect();
            let ready = backend.still_ready(queue, &marks, rand::random()).await?;
            readings.push(QueueReading {
                queue: queue.name().to_owned(),
                work: counts.ready + counts.running,
                dead: counts.dead,
                is_paused: counts.paused,
                workers: Serving::of(queue, &workers, &pauses).claiming.len(),
                still: ready.still.into_iter().map(|mark| mark.0).collect(),
                fresh: ready.fresh.map(|mark| mark.0),
            });
        }
        Ok(readings)
    }
}

fn told<T, E: std::fmt::Display>(read: Result<T, E>) -> Option<T> {
    read.inspect_err(|error| tracing::debug!(%error, "A part of the installation could not be looked at."))
        .ok()
}

fn log(news: &AlertNews) {
    let AlertNews {
        id,
        rule,
        subject,
        value,
        ..
    } = news;
    let said = words::happened(*rule, subject, *value);
    match news.change {
        Some(AlertChange::Fired) => tracing::warn!(alert = %id, %rule, subject, value, "Alert: {said}"),
        Some(AlertChange::Recovered) => {
            tracing::warn!(alert = %id, %rule, subject, "Recovered: {}", words::subject(*rule, subject))
        }
        None => {}
    }
}

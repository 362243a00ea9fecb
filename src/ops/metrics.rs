//! `GET /metrics`: figures of this process, and of the queue that all processes share, for Prometheus.

mod alerts;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{CircuitState, CredentialId};
use metrics::{counter, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use queue::{Backend, Clock, Queue, QueueError};
use store::Store;
use tokio::sync::Mutex;

use super::serving::Serving;

/// Upper bounds, in seconds, of the times that requests are sorted into.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];

/// How long the queue may take to tell its figures.
const QUEUE_WITHIN: Duration = Duration::from_secs(3);

/// How old the queue's figures may be.
const QUEUE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where the process's figures are read.
#[derive(Clone)]
pub struct Figures {
    process: PrometheusHandle,
    /// When the queue was last asked. One question at a time, and not again for a while: counting a long queue is work,
    /// and anybody may ask.
    asked: Arc<Mutex<Asked>>,
}

#[derive(Default)]
struct Asked {
    at: Option<Instant>,
    /// The circuits told so far, with their providers: one that closes is in no list any more, and is told so.
    circuits: HashMap<CredentialId, String>,
    alerts: alerts::Told,
}

impl Figures {
    /// Makes this the place where all figures of the process go. To be called once, before anything counts.
    ///
    /// # Errors
    /// When figures already go elsewhere.
    pub fn install() -> anyhow::Result<Self> {
        let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| anyhow::anyhow!("figures already have a recorder"))?;
        metrics::describe_counter!("relais_webhooks_total", "Webhooks answered by this process, by status.");
        metrics::describe_histogram!("relais_webhook_seconds", "From a webhook's headers to its answer.");
        metrics::describe_gauge!(
            "relais_queue_jobs",
            "Jobs of a queue, by state; of the whole installation."
        );
        metrics::describe_gauge!("relais_queue_paused", "1 while nothing is claimed from the queue.");
        metrics::describe_gauge!("relais_queue_workers", "Live workers that serve the queue.");
        metrics::describe_gauge!("relais_queue_up", "1 if the queue told its figures.");
        metrics::describe_gauge!(
            "relais_circuit_state",
            "An account at a provider: 0 used, 1 tried again by one, 2 left alone; once it has failed."
        );
        metrics::describe_counter!(
            "relais_jobs_total",
            "What happened to jobs, by queue, kind and event; of the whole installation. `stale` = finishes refused."
        );
        metrics::describe_counter!(
            "relais_retention_total",
            "Rows that went because of their age, by kind; of the whole installation."
        );
        alerts::describe();
        Ok(Self {
            process: handle,
            asked: Arc::default(),
        })
    }

    /// Sorts collected times into their buckets, which keeps memory small while nobody asks. To be called now and then.
    pub fn tidy(&self) {
        self.process.run_upkeep();
    }

    pub(super) async fn render(&self, queue: &dyn Backend, store: &Store) -> String {
        let mut asked = self.asked.lock().await;
        if asked.at.is_none_or(|at| at.elapsed() >= QUEUE_AGAIN_AFTER) {
            let told = tokio::time::timeout(QUEUE_WITHIN, tell(queue)).await;
            gauge!("relais_queue_up").set(if matches!(told, Ok(Ok(()))) { 1.0 } else { 0.0 });
            // Without the database the circuits stay as they were told last.
            let _ = tokio::time::timeout(QUEUE_WITHIN, tell_circuits(store, &mut asked.circuits)).await;
            let _ = tokio::time::timeout(QUEUE_WITHIN, tell_retention(store)).await;
            let _ = tokio::time::timeout(QUEUE_WITHIN, alerts::tell(store, &mut asked.alerts)).await;
            asked.at = Some(Instant::now());
        }
        drop(asked);
        self.process.render()
    }
}

async fn tell_circuits(store: &Store, told: &mut HashMap<CredentialId, String>) -> Result<(), store::StoreError> {
    let circuits = store.circuits(None).await?;
    let of = |id: &CredentialId, provider: &str| gauge!("relais_circuit_state", "credential" => id.to_string(), "provider" => provider.to_owned());
    told.iter().for_each(|(id, provider)| of(id, provider).set(0.0));
    for circuit in circuits {
        of(&circuit.credential, &circuit.provider).set(match circuit.state {
            CircuitState::Closed => 0.0,
            CircuitState::HalfOpen => 1.0,
            CircuitState::Open => 2.0,
        });
        told.insert(circuit.credential, circuit.provider);
    }
    Ok(())
}

async fn tell_retention(store: &Store) -> Result<(), store::StoreError> {
    for (kind, gone) in store.retention_totals().await? {
        counter!("relais_retention_total", "kind" => kind).absolute(gone.unsigned_abs());
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge of jobs need not be exact beyond 2^53"
)]
async fn tell(backend: &dyn Backend) -> Result<(), QueueError> {
    let (workers, pauses) = (backend.workers(Clock::System.now()).await?, backend.pauses().await?);
    for queue in Queue::ALL {
        let serving = Serving::of(queue, &workers, &pauses).claiming.len();
        gauge!("relais_queue_workers", "queue" => queue.name()).set(serving as f64);
        let counts = backend.counts(queue).await?;
        let name = queue.name();
        let states = [
            ("ready", counts.ready),
            ("scheduled", counts.scheduled),
            ("running", counts.running),
            ("parked", counts.parked),
            ("dead", counts.dead),
        ];
        for (state, jobs) in states {
            gauge!("relais_queue_jobs", "queue" => name, "state" => state).set(jobs as f64);
        }
        gauge!("relais_queue_paused", "queue" => name).set(if counts.paused { 1.0 } else { 0.0 });
    }
    for (key, value) in backend.counters().await? {
        counter!("relais_jobs_total", "queue" => key.queue.name(), "kind" => key.kind, "event" => key.name)
            .absolute(value);
    }
    Ok(())
}

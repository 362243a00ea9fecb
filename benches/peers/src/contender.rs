//! What a Rust contender has to be able to do.

use std::sync::Arc;

use crate::job::Nothing;
use crate::plan::Place;
use crate::stage::Stage;

/// A queue with a worker. Everything is done through its public interface, as its documents show it.
pub trait Contender: Clone + Send + Sync + Sized + 'static {
    /// Makes tables and whatever else is needed once.
    fn prepare(place: &Place) -> impl Future<Output = anyhow::Result<()>>;

    /// Connects.
    fn connect(place: &Place) -> impl Future<Output = anyhow::Result<Self>> + Send;

    /// Adds one job. Returns when it is kept.
    fn add(&self, job: Nothing) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Adds many by the fastest way it offers.
    fn fill(&self, jobs: Vec<Nothing>) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Starts a worker, waits until [`Stage::over`] and ends it as one ends a worker: what ran is settled.
    fn work(&self, stage: Arc<Stage>) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// How many jobs have not ended: they wait, or somebody holds them.
    fn left(&self) -> impl Future<Output = anyhow::Result<usize>> + Send;
}

//! Many callers, one round trip: while one add is under way, the next one collects.
//!
//! Nobody waits for a timer. A lone caller's job goes out at once; under load a call carries as many jobs as arrived
//! during the one before, so the cost of a round trip and of an fsync is shared without adding latency.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::backend::{Added, BATCH_MAX, Backend, NewJob, QueueError};
use crate::clock::Clock;

/// How much longer than a call an add may take before its caller is told "unavailable", and may ask again with the same
/// key: a connection that went silent is thrown away first.
const MARGIN: Duration = Duration::from_millis(100);

/// How many jobs may wait for an add to begin; more are refused at once, so that memory stays bounded.
const WAITING_MAX: usize = 16 * BATCH_MAX;

/// So many jobs are worth a second call beside the one that is under way; fewer wait for its end, because a call's own cost
/// is that of several jobs.
const SECOND_FLIGHT_JOBS: usize = 32;

type Answer = oneshot::Sender<Result<Added, QueueError>>;

/// Collects adds. Its task runs on the runtime it was made on, and ends when the last clone is gone.
#[derive(Clone, Debug)]
pub(crate) struct Adder {
    sender: mpsc::Sender<(NewJob, Answer)>,
    limit: Duration,
}

impl Adder {
    pub(crate) fn start(backend: Arc<dyn Backend>, clock: Clock) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let limit = backend.call_limit() + MARGIN;
        tokio::spawn(collect(backend, clock, receiver));
        Self { sender, limit }
    }

    /// Returns once the job is durably kept, or surely known to be a duplicate.
    pub(crate) async fn add(&self, job: NewJob) -> Result<Added, QueueError> {
        let (sender, answer) = oneshot::channel();
        self.sender.try_send((job, sender)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => QueueError::Unavailable("too many jobs wait to be added".into()),
            mpsc::error::TrySendError::Closed(_) => QueueError::Unavailable("this process is shutting down".into()),
        })?;
        // Counted from here: whoever came while every flight hangs has waited for one of them already.
        match tokio::time::timeout(self.limit, answer).await {
            Ok(answered) => {
                answered.unwrap_or_else(|_| Err(QueueError::Unavailable("this process is shutting down".into())))
            }
            Err(_) => Err(QueueError::Unavailable("no answer in time".into())),
        }
    }
}

async fn collect(backend: Arc<dyn Backend>, clock: Clock, mut receiver: mpsc::Receiver<(NewJob, Answer)>) {
    let flights_max = backend.flights().adds;
    let mut flights = JoinSet::new();
    let mut waiting = Vec::new();
    let mut open = true;
    while open || !waiting.is_empty() || !flights.is_empty() {
        let room = BATCH_MAX - waiting.len();
        tokio::select! {
            Some(_) = flights.join_next() => {}
            received = receiver.recv_many(&mut waiting, room), if open && room > 0 => open = received > 0,
        }
        let may_fly = flights.is_empty() || flights.len() < flights_max && waiting.len() >= SECOND_FLIGHT_JOBS;
        if may_fly {
            // Who has given up was told to ask again. Adding for them first would make everybody behind them give up too.
            waiting.retain(|(_, answer)| !answer.is_closed());
            if !waiting.is_empty() {
                flights.spawn(fly(Arc::clone(&backend), clock.clone(), std::mem::take(&mut waiting)));
            }
        }
    }
}

async fn fly(backend: Arc<dyn Backend>, clock: Clock, waiting: Vec<(NewJob, Answer)>) {
    let (jobs, answers): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
    let limit = backend.call_limit() + MARGIN;
    let result = tokio::time::timeout(limit, backend.add(&jobs, clock.now())).await;
    let result = result.unwrap_or_else(|_| Err(QueueError::Unavailable("no answer in time".into())));
    // A caller that went away meanwhile does not need its answer; its job is kept all the same.
    match result {
        Ok(added) => answers
            .into_iter()
            .zip(added)
            .for_each(|(answer, added)| drop(answer.send(Ok(added)))),
        Err(error) => answers
            .into_iter()
            .for_each(|answer| drop(answer.send(Err(error.clone())))),
    }
}

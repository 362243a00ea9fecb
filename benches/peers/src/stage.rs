//! Where jobs run and are seen to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::job::Nothing;

/// Counts the jobs that run, or times how long each waited.
pub struct Stage {
    wanted: usize,
    ran: AtomicUsize,
    first: OnceLock<Instant>,
    last: OnceLock<Instant>,
    over: watch::Sender<bool>,
    /// `Some` = every run is timed: when each job was added, and how long it waited.
    times: Option<Mutex<Times>>,
}

#[derive(Default)]
struct Times {
    added: Vec<Instant>,
    waits: Vec<Duration>,
}

impl Stage {
    /// It is over when so many jobs have run.
    pub(crate) fn counting(wanted: usize) -> Self {
        Self {
            wanted,
            ran: AtomicUsize::new(0),
            first: OnceLock::new(),
            last: OnceLock::new(),
            over: watch::channel(false).0,
            times: None,
        }
    }

    pub(crate) fn timing(wanted: usize) -> Self {
        Self {
            times: Some(Mutex::default()),
            ..Self::counting(wanted)
        }
    }

    /// What a handler does.
    pub fn ran(&self, job: &Nothing) {
        let now = Instant::now();
        self.first.get_or_init(|| now);
        if let Some(times) = &self.times {
            let mut times = lock(times);
            if let Some(added) = times.added.get(job.number).copied() {
                times.waits.push(now - added);
            }
        }
        if self.ran.fetch_add(1, Ordering::Relaxed) + 1 == self.wanted {
            self.last.get_or_init(|| now);
            self.over.send_replace(true);
        }
    }

    /// A job is about to be added; they are numbered in this order.
    pub(crate) fn adding(&self) {
        if let Some(times) = &self.times {
            lock(times).added.push(Instant::now());
        }
    }

    /// Returns when all that was wanted has run.
    pub async fn over(&self) {
        // The sender lives as long as this call.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// Returns when so many have run.
    pub(crate) async fn reached(&self, count: usize) {
        let mut beat = tokio::time::interval(Duration::from_millis(5));
        while self.count() < count {
            beat.tick().await;
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.ran.load(Ordering::Relaxed)
    }

    /// From the first run to the last one that was wanted.
    pub(crate) fn span(&self) -> Option<Duration> {
        Some(*self.last.get()? - *self.first.get()?)
    }

    /// How long each job waited, in the order of their runs.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.times
            .as_ref()
            .map(|times| lock(times).waits.clone())
            .unwrap_or_default()
    }
}

fn lock(times: &Mutex<Times>) -> MutexGuard<'_, Times> {
    times.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Who serves a queue: the workers that live, and whether they claim.
//!
//! A worker announces the queues that it was started for, with how many jobs of each it runs at once; while its store is
//! away it announces none at once. That somebody paused it is not announced but stands among the pauses, so that it is known
//! from the same moment on as who it was.

use queue::backend::Worker;
use queue::{Pause, Queue, Scope};

/// The living workers that were started for one queue.
#[derive(Debug, Default)]
pub(crate) struct Serving<'a> {
    /// They claim, unless the queue is paused.
    pub(crate) claiming: Vec<&'a Worker>,
    /// They claim nothing, because somebody paused each.
    pub(crate) paused: Vec<&'a Pause>,
    /// So many claim nothing, because their store does not answer.
    pub(crate) storeless: usize,
    /// How many jobs of the queue those that claim run at once.
    pub(crate) slots: usize,
    /// The same of those that are paused: some of these may still run.
    pub(crate) slots_paused: usize,
}

impl<'a> Serving<'a> {
    pub(crate) fn of(queue: Queue, workers: &'a [Worker], pauses: &'a [Pause]) -> Self {
        let mut serving = Self::default();
        for worker in workers {
            let Some((_, slots)) = worker.queues.iter().find(|(name, _)| name == queue.name()) else {
                continue;
            };
            match (pause_of(worker, pauses), *slots) {
                (Some(pause), slots) => {
                    serving.paused.push(pause);
                    serving.slots_paused += slots;
                }
                (None, 0) => serving.storeless += 1,
                (None, slots) => {
                    serving.claiming.push(worker);
                    serving.slots += slots;
                }
            }
        }
        serving
    }
}

/// The queues that a worker claims from now, as in the setting: `urgent=16,default=32`.
pub(crate) fn claimed_by(worker: &Worker, pauses: &[Pause]) -> String {
    let mut now = worker.clone();
    let is_paused = pause_of(worker, pauses).is_some();
    now.queues.retain(|(_, slots)| *slots > 0 && !is_paused);
    now.serves()
}

fn pause_of<'a>(worker: &Worker, pauses: &'a [Pause]) -> Option<&'a Pause> {
    pauses.iter().find(|pause| pause.scope == Scope::Worker(worker.session))
}

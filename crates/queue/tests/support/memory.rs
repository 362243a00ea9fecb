//! The [model](super::model) as a backend: shows that the suites ask for nothing impossible, and lets them be written
//! and broken without a database.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use queue::backend::{
    Added, BATCH_MAX, CRASHES_MAX, Cancelled, ClaimRequest, Claimed, Claims, Counter, Counts, DeadFilter, DeadGroup,
    Finding, Kept, ListRequest, Mark, NewDead, NewJob, Page, Purged, RetryDead, Settle, State, StillReady, Sweep,
    Ticket, Worker,
};
use queue::flow::Missed;
use queue::{Backend, JobId, Key, Limit, LimitState, Millis, Pause, Queue, QueueError, Scope};
use tokio::sync::{Notify, RwLock, RwLockWriteGuard};
use uuid::Uuid;

use super::model::{Entry, Model};

/// How long a room is left for the lane that asked for it.
const ASK_MS: Millis = 10_000;

#[derive(Default)]
struct Shelf {
    model: Model,
    claims: i64,
    /// Until when a lane asks for the next room of a limit key.
    asks: HashMap<(Queue, u8, Key), Millis>,
    /// The tenant served last, by queue and lane.
    served: HashMap<(Queue, u8), Uuid>,
    pauses: BTreeMap<Scope, Pause>,
    counters: HashMap<Counter, u64>,
    workers: BTreeMap<Uuid, (Worker, Millis)>,
    wakes: HashMap<Queue, Vec<Arc<Notify>>>,
}

/// A queue in this process. Clones are handles on the same jobs.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    shelf: Arc<Mutex<Shelf>>,
    wakes: Arc<[Arc<Notify>; 3]>,
    answers: Arc<RwLock<()>>,
}

impl Memory {
    /// A second handle, with wake-ups of its own.
    pub(crate) fn another(&self) -> Self {
        Self {
            shelf: Arc::clone(&self.shelf),
            wakes: Arc::default(),
            answers: Arc::clone(&self.answers),
        }
    }

    /// While somebody has it, no claim that found something is answered.
    pub(crate) async fn silence(&self) -> RwLockWriteGuard<'_, ()> {
        self.answers.write().await
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("no test panics while it holds the shelf")
    }

    fn claims(&self, request: &ClaimRequest) -> Claims {
        let mut shelf = self.shelf();
        if shelf.model.paused(request.queue) {
            return Claims::default();
        }
        shelf.model.promote(request.queue, request.now);
        shelf.claims += 1;
        let claim = shelf.claims;
        let mut jobs = Vec::new();
        for id in shelf.pick(request) {
            let starts_at = shelf.model.take(id, claim, request.session, request.until, request.now);
            let entry = &shelf.model.jobs[&id];
            jobs.push(Claimed {
                id,
                queue: entry.queue,
                tenant: entry.tenant,
                crashes: entry.crashes,
                attempts: entry.attempts,
                starts_at,
                ticket: Ticket { claim, seq: 0 },
                keys: entry.keys.clone(),
                body: entry.body.clone(),
            });
        }
        shelf.note_asks(request);
        let more = !shelf.waiting(request).is_empty();
        let opens_at = shelf.model.opens_at(request.queue, request.now);
        Claims { jobs, more, opens_at }
    }

    fn wake(&self, queue: Queue) {
        self.shelf()
            .wakes
            .entry(queue)
            .or_default()
            .iter()
            .for_each(|wake| wake.notify_one());
    }

    fn wake_all(&self) {
        Queue::ALL.into_iter().for_each(|queue| self.wake(queue));
    }
}

impl Shelf {
    /// The jobs of a lane whose time has come by tenant, oldest first, without those of closed keys.
    fn waiting(&self, request: &ClaimRequest) -> BTreeMap<Uuid, Vec<JobId>> {
        let mut waiting: Vec<_> = self
            .model
            .jobs
            .iter()
            .filter(|(_, entry)| entry.may_start(request.queue, request.lane, request.now))
            .map(|(id, entry)| (entry.order, entry.tenant, *id))
            .collect();
        let allowed = self.allowed(request);
        waiting.retain(|(_, _, id)| allowed[&self.model.jobs[id].keys.limit] > 0);
        waiting.sort_unstable();
        let mut tenants: BTreeMap<Uuid, Vec<JobId>> = BTreeMap::new();
        waiting
            .into_iter()
            .for_each(|(_, tenant, id)| tenants.entry(tenant).or_default().push(id));
        tenants
    }

    /// How many of each limit key may start.
    fn allowed(&self, request: &ClaimRequest) -> HashMap<Option<Key>, usize> {
        let keys: BTreeSet<_> = self.model.jobs.values().map(|entry| &entry.keys.limit).collect();
        let allows = |key: &Key| {
            let left = usize::from(self.is_asked(request, key));
            self.model.allows(request.queue, key, request.now).saturating_sub(left)
        };
        keys.into_iter()
            .map(|key| (key.clone(), key.as_ref().map_or(usize::MAX, allows)))
            .collect()
    }

    /// Whether a later lane asks for the next room of a key.
    fn is_asked(&self, request: &ClaimRequest, key: &Key) -> bool {
        let asks = |lane| self.asks.get(&(request.queue, lane, key.clone()));
        self.model.room(request.queue, key).is_some()
            && (request.lane + 1..CRASHES_MAX)
                .filter_map(asks)
                .any(|until| *until > request.now)
    }

    /// After a claim: who finds a key full asks for its next room, and who leaves room to a later lane does so for a time.
    fn note_asks(&mut self, request: &ClaimRequest) {
        let entries = self.model.jobs.values();
        let waiting: BTreeSet<Key> = entries
            .filter(|entry| entry.may_start(request.queue, request.lane, request.now))
            .filter_map(|entry| entry.keys.limit.clone())
            .collect();
        self.asks
            .retain(|(queue, lane, key), _| (*queue, *lane) != (request.queue, request.lane) || waiting.contains(key));
        for key in waiting {
            match self.model.room(request.queue, &key) {
                None => {}
                Some(0) if request.lane > 0 => {
                    self.asks.insert((request.queue, request.lane, key), Millis::MAX);
                }
                Some(0) => {}
                Some(_) => {
                    for later in request.lane + 1..CRASHES_MAX {
                        let until = self.asks.get_mut(&(request.queue, later, key.clone()));
                        until
                            .into_iter()
                            .for_each(|until| *until = (*until).min(request.now + ASK_MS));
                    }
                }
            }
        }
    }

    /// Goes round the tenants, one job each, from the one after the tenant served last.
    fn pick(&mut self, request: &ClaimRequest) -> Vec<JobId> {
        let waiting = self.waiting(request);
        let last = self
            .served
            .get(&(request.queue, request.lane))
            .copied()
            .unwrap_or(Uuid::max());
        let (before, after): (Vec<_>, Vec<_>) = waiting.iter().partition(|(tenant, _)| **tenant <= last);
        let mut ring: Vec<_> = after
            .into_iter()
            .chain(before)
            .map(|(tenant, ids)| (*tenant, ids.iter()))
            .collect();
        let want = request.want.min(BATCH_MAX);
        let mut picked = Vec::new();
        let mut allowed = self.allowed(request);
        let mut served = None;
        while picked.len() < want && !ring.is_empty() {
            ring.retain_mut(|(tenant, ids)| {
                if picked.len() == want {
                    return true;
                }
                let next = ids.find(|id| {
                    let left = allowed
                        .get_mut(&self.model.jobs[*id].keys.limit)
                        .expect("every key is in it");
                    let may = *left > 0;
                    *left = left.saturating_sub(1);
                    may
                });
                if let Some(id) = next {
                    picked.push(*id);
                    served = Some(*tenant);
                }
                next.is_some()
            });
        }
        if let Some(tenant) = served {
            self.served.insert((request.queue, request.lane), tenant);
        }
        picked
    }

    /// Live jobs that are asked for, oldest first.
    fn live(&self, request: ListRequest<'_>) -> Vec<Kept> {
        let mut rows: Vec<_> = self.model.jobs.iter().filter(|(_, entry)| !entry.is_dead()).collect();
        rows.sort_by_key(|(id, entry)| (entry.order, **id));
        let kept = rows.into_iter().map(|(id, entry)| entry.kept(*id));
        let wanted = |kept: &Kept| {
            request.queue.is_none_or(|queue| queue == kept.queue)
                && request.tenant.is_none_or(|tenant| tenant == kept.tenant)
        };
        kept.filter(wanted).collect()
    }
}

fn page(rows: Vec<Kept>, cursor: Option<&str>, limit: usize) -> Page {
    let offset: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap_or(0));
    let limit = limit.min(BATCH_MAX);
    let more = rows.len() > offset + limit;
    Page {
        items: rows.into_iter().skip(offset).take(limit).collect(),
        next_cursor: more.then(|| (offset + limit).to_string()),
    }
}

#[async_trait]
impl Backend for Memory {
    async fn add(&self, jobs: &[NewJob], now: Millis) -> Result<Vec<Added>, QueueError> {
        let added = {
            let mut shelf = self.shelf();
            jobs.iter().map(|job| shelf.model.add(job, now)).collect()
        };
        jobs.iter().for_each(|job| self.wake(job.queue));
        Ok(added)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, QueueError> {
        let claims = self.claims(request);
        if !claims.jobs.is_empty() {
            drop(self.answers.read().await);
        }
        Ok(claims)
    }

    async fn settle(
        &self,
        queue: Queue,
        settles: &[Settle],
        _finished: &[i64],
        now: Millis,
    ) -> Result<Vec<bool>, QueueError> {
        let held = {
            let mut shelf = self.shelf();
            settles.iter().map(|settle| shelf.model.settle(settle, now)).collect()
        };
        self.wake(queue);
        Ok(held)
    }

    async fn renew(&self, queue: Queue, claims: &[i64], until: Millis) -> Result<Vec<i64>, QueueError> {
        Ok(self.shelf().model.renew(queue, claims, until))
    }

    async fn sweep(&self, queue: Queue, now: Millis, dice: f64) -> Result<Sweep, QueueError> {
        let swept = self.shelf().model.sweep(queue, now, dice);
        self.wake(queue);
        Ok(swept)
    }

    fn wakes(&self, queue: Queue) -> Arc<Notify> {
        let wake = Arc::clone(&self.wakes[queue as usize]);
        self.shelf().wakes.entry(queue).or_default().push(Arc::clone(&wake));
        wake
    }

    async fn unpark(&self, queue: Queue, gates: &[String], _now: Millis) -> Result<u64, QueueError> {
        let unparked = self.shelf().model.unpark(queue, gates);
        self.wake(queue);
        Ok(unparked)
    }

    async fn set_limit(&self, queue: Queue, key: &Key, limit: Option<Limit>, now: Millis) -> Result<(), QueueError> {
        self.shelf().model.set_limit(queue, key, limit, now);
        self.wake(queue);
        Ok(())
    }

    async fn reserve_again(&self, queue: Queue, key: &Key, missed: Missed) -> Result<Millis, QueueError> {
        Ok(self.shelf().model.reserve_again(queue, key, missed))
    }

    async fn limits(&self, queue: Queue, now: Millis) -> Result<Vec<LimitState>, QueueError> {
        Ok(self.shelf().model.limits(queue, now))
    }

    async fn gates(&self, queue: Queue) -> Result<Vec<(String, u64)>, QueueError> {
        Ok(self.shelf().model.parked(queue))
    }

    async fn pause(&self, pause: &Pause) -> Result<(), QueueError> {
        let mut shelf = self.shelf();
        if let Scope::Queue(queue) = pause.scope {
            shelf.model.pause(queue, true);
        }
        shelf.pauses.entry(pause.scope.clone()).or_insert(pause.clone());
        Ok(())
    }

    async fn resume(&self, scope: &Scope) -> Result<(), QueueError> {
        self.shelf().pauses.remove(scope);
        if let Scope::Queue(queue) = scope {
            self.shelf().model.pause(*queue, false);
            self.wake(*queue);
        }
        Ok(())
    }

    async fn pauses(&self) -> Result<Vec<Pause>, QueueError> {
        Ok(self.shelf().pauses.values().cloned().collect())
    }

    async fn counts(&self, queue: Queue) -> Result<Counts, QueueError> {
        Ok(self.shelf().model.counts(queue))
    }

    async fn still_ready(&self, queue: Queue, marks: &[Mark], dice: f64) -> Result<StillReady, QueueError> {
        let shelf = self.shelf();
        let model = &shelf.model;
        let entries = model
            .jobs
            .iter()
            .filter(|(_, entry)| entry.queue == queue && entry.state == State::Ready);
        // A rate is open by then, a concurrency that is used up is not.
        let open = |key: &Key| model.allows(queue, key, Millis::MAX / 2_000) > 0;
        let mut ready: Vec<_> = entries
            .filter(|(_, entry)| entry.keys.limit.as_ref().is_none_or(open))
            .collect();
        ready.sort_unstable_by_key(|(_, entry)| entry.order);
        let mark = |(id, entry): &(&JobId, &Entry)| Mark(format!("{id}:{}", entry.order));
        let all: Vec<_> = ready.iter().map(mark).collect();
        let still = marks.iter().filter(|mark| all.contains(mark)).cloned().collect();
        let fewest = ready.iter().map(|(_, entry)| entry.crashes).min();
        let last: BTreeMap<_, _> = ready
            .iter()
            .filter(|(_, entry)| Some(entry.crashes) == fewest)
            .map(|job| ((job.1.tenant, job.1.keys.limit.clone()), mark(job)))
            .collect();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss
        )]
        let chosen = (dice * last.len() as f64) as usize;
        let fresh = last.values().nth(chosen.min(last.len().saturating_sub(1))).cloned();
        Ok(StillReady { still, fresh })
    }

    async fn find(&self, id: JobId) -> Result<Option<Kept>, QueueError> {
        Ok(self.shelf().model.jobs.get(&id).map(|entry| entry.kept(id)))
    }

    async fn ended(&self, id: JobId) -> Result<bool, QueueError> {
        Ok(self.shelf().model.ended.contains_key(&id))
    }

    async fn list(&self, request: ListRequest<'_>) -> Result<Page, QueueError> {
        let live = self.shelf().live(request);
        Ok(page(live, request.cursor, request.limit))
    }

    async fn cancel(&self, id: JobId, now: Millis) -> Result<Cancelled, QueueError> {
        Ok(self.shelf().model.cancel(id, now))
    }

    async fn cancelled(&self, _queue: Queue, running: &[JobId]) -> Result<Vec<JobId>, QueueError> {
        let shelf = self.shelf();
        Ok(running
            .iter()
            .copied()
            .filter(|id| shelf.model.cancelled(*id))
            .collect())
    }

    async fn list_dead(&self, filter: &DeadFilter, cursor: Option<&str>, limit: usize) -> Result<Page, QueueError> {
        let letters = self.shelf().model.dead(filter);
        Ok(page(letters, cursor, limit))
    }

    async fn dead_groups(&self, filter: &DeadFilter) -> Result<Vec<DeadGroup>, QueueError> {
        Ok(self.shelf().model.dead_groups(filter))
    }

    async fn import_dead(&self, letters: &[NewDead], now: Millis) -> Result<Vec<bool>, QueueError> {
        let mut shelf = self.shelf();
        Ok(letters.iter().map(|letter| shelf.model.import(letter, now)).collect())
    }

    async fn retry_all_dead(&self, letters: &[RetryDead<'_>], _now: Millis) -> Result<Vec<bool>, QueueError> {
        let mut shelf = self.shelf();
        let retried = letters
            .iter()
            .map(|letter| shelf.model.retry_dead(letter.id, letter.body));
        let retried = retried.collect();
        drop(shelf);
        self.wake_all();
        Ok(retried)
    }

    async fn rewrite(&self, id: JobId, old: &[u8], new: &[u8]) -> Result<bool, QueueError> {
        Ok(self.shelf().model.rewrite(id, old, new))
    }

    async fn delete_dead(&self, id: JobId) -> Result<bool, QueueError> {
        let mut shelf = self.shelf();
        let gone = shelf.model.delete_dead(id);
        let is_gone = gone.is_some();
        if let Some((queue, kind)) = gone {
            let name = "deleted".to_owned();
            *shelf.counters.entry(Counter { queue, kind, name }).or_default() += 1;
        }
        Ok(is_gone)
    }

    async fn count(&self, counters: &[(Counter, u64)]) -> Result<(), QueueError> {
        let mut shelf = self.shelf();
        for (counter, by) in counters {
            *shelf.counters.entry(counter.clone()).or_default() += by;
        }
        Ok(())
    }

    async fn counters(&self) -> Result<Vec<(Counter, u64)>, QueueError> {
        Ok(self
            .shelf()
            .counters
            .iter()
            .map(|(counter, value)| (counter.clone(), *value))
            .collect())
    }

    async fn announce(&self, worker: &Worker, until: Millis) -> Result<(), QueueError> {
        let mut shelf = self.shelf();
        shelf.model.sessions.insert(worker.session, until);
        shelf.workers.insert(worker.session, (worker.clone(), until));
        Ok(())
    }

    async fn workers(&self, now: Millis) -> Result<Vec<Worker>, QueueError> {
        let shelf = self.shelf();
        Ok(shelf
            .workers
            .values()
            .filter(|(_, until)| *until > now)
            .map(|(worker, _)| worker.clone())
            .collect())
    }

    async fn purge(&self, queue: Queue, now: Millis, dead_before: Millis) -> Result<Purged, QueueError> {
        let mut shelf = self.shelf();
        let kinds = shelf.model.purge(queue, now, dead_before);
        for kind in &kinds {
            let (kind, name) = (kind.clone(), "purged".to_owned());
            *shelf.counters.entry(Counter { queue, kind, name }).or_default() += 1;
        }
        let dead = kinds.len() as u64;
        Ok(Purged { keys: 0, dead })
    }

    async fn ping(&self) -> Result<(), QueueError> {
        Ok(())
    }

    async fn check(&self) -> Result<Vec<Finding>, QueueError> {
        Ok(Vec::new())
    }
}

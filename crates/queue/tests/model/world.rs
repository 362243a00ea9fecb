//! A backend and the list side by side, and the workers that hold something of them.

mod compare;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use queue::backend::{
    Added, Cancelled, ClaimRequest, Claimed, Failure, NewDead, NewJob, Reason, RetryDead, Settle, State,
};
use queue::clock::DAY_MS;
use queue::flow::Missed;
use queue::{AfterDeath, Backend, JobId, Key, Keys, Order, Queue};
use uuid::Uuid;

use crate::operations::{KEYS, Operation, WORKERS};
use crate::scripted::{ATTEMPTS, Answer, Theatre};
use crate::support::fixture::{Fixture, LEASE_MS, settle};
use crate::support::model::{Entry, Known, Model};

/// How long dead letters are kept here: shorter than keys are known, so that a key never outlives its memory.
const DEAD_KEPT_MS: i64 = 5 * DAY_MS;

/// Leases and waits never end at the same millisecond, whose side is not promised.
const LEASE_HERE_MS: i64 = LEASE_MS + 1;

pub(crate) struct World {
    fixture: Fixture,
    model: Model,
    theatre: Theatre,
    /// Worker processes work through handles of their own.
    handles: Vec<Arc<dyn Backend>>,
    /// What each worker believes to hold.
    held: Vec<Vec<Claimed>>,
    /// What workers held that died.
    ghosts: Vec<Claimed>,
    claims: BTreeSet<i64>,
    added: BTreeSet<JobId>,
    /// The last lane that found the key full at any time: it may ask for the next room still, and the lanes before leave it.
    asked: u8,
    /// A start was missed since the limit was set: what is known of a closed key may be of before, and brings a claim in vain.
    missed: bool,
    /// What came about in this sequence, of what the sequences are there for.
    pub(crate) seen: BTreeSet<&'static str>,
}

fn tenant(key: u8) -> Uuid {
    Uuid::from_u128(u128::from(key % 3) + 1)
}

fn id(key: u8) -> JobId {
    Theatre::id(tenant(key), &key.to_string())
}

/// The one limit key.
fn cap() -> Key {
    Key::new("cap").unwrap()
}

/// Tenant 1's jobs stand in a line that goes on, tenant 2's in one that holds and counts under the limit, tenant 3's only
/// count under it; every fourth job is free.
fn keys_of(key: u8) -> Keys {
    let line = |after_death| {
        let key = Key::new("line")?;
        Some(Order { key, after_death })
    };
    match key % 3 {
        _ if key % 4 == 3 => Keys::default(),
        0 => Keys {
            limit: None,
            order: line(AfterDeath::GoOn),
        },
        1 => Keys {
            limit: Some(cap()),
            order: line(AfterDeath::Hold),
        },
        _ => Keys {
            limit: Some(cap()),
            order: None,
        },
    }
}

impl World {
    pub(crate) async fn new(fixture: Fixture) -> Self {
        let mut handles = Vec::new();
        for _ in 0..WORKERS {
            handles.push(fixture.another_handle().await);
        }
        Self {
            model: Model::default(),
            theatre: Theatre::new(&fixture.clock()),
            handles,
            held: vec![Vec::new(); WORKERS],
            ghosts: Vec::new(),
            claims: BTreeSet::new(),
            added: BTreeSet::new(),
            asked: 0,
            missed: false,
            seen: BTreeSet::new(),
            fixture,
        }
    }

    pub(crate) async fn perform(&mut self, operation: &Operation) {
        match operation {
            Operation::Add { keys, delay, twice } => self.add(keys, *delay, *twice).await,
            Operation::Claim { worker, lane, want } => self.claim(*worker, *lane, *want).await,
            Operation::Settle { worker, answers, twice } => self.settle(*worker, answers, *twice).await,
            Operation::Renew { worker } => self.renew(*worker).await,
            Operation::Crash { worker } => self.ghosts.append(&mut self.held[*worker]),
            Operation::Haunt { pick, answer } => self.haunt(*pick, *answer).await,
            Operation::Sweep { dice } => self.sweep(*dice).await,
            Operation::Wait { by } => self.wait(*by).await,
            Operation::Rest { by, dice } => {
                self.wait(*by).await;
                self.sweep(*dice).await;
            }
            Operation::Pause { paused } => {
                self.fixture.pause(Queue::Default, *paused).await;
                self.model.pause(Queue::Default, *paused);
            }
            Operation::Cancel { key } => {
                let real = self.fixture.queue.cancel(id(*key), self.fixture.now()).await.unwrap();
                assert_eq!(real, self.model.cancel(id(*key), self.fixture.now()));
                if real == Cancelled::Signalled {
                    self.seen.insert("cancelled while it ran");
                }
            }
            Operation::Limit { limit } => {
                let (limit, now) = (*limit, self.fixture.now());
                self.fixture
                    .queue
                    .set_limit(Queue::Default, &cap(), limit, now)
                    .await
                    .unwrap();
                self.model.set_limit(Queue::Default, &cap(), limit, now);
                self.missed = false;
            }
            Operation::Miss { pick, patience } => self.miss(*pick, *patience).await,
            Operation::Unpark => self.unpark().await,
            Operation::RetryDead { key } => self.retry_dead(*key).await,
            Operation::DeleteDead { key } => {
                let real = self.fixture.queue.delete_dead(id(*key)).await.unwrap();
                assert_eq!(real, self.model.delete_dead(id(*key)).is_some());
            }
            Operation::ImportDead { key } => self.import_dead(*key).await,
            Operation::Purge => self.purge().await,
        }
    }

    /// It and the next one, and it once more.
    async fn retry_dead(&mut self, key: u8) {
        let letters = [key, (key + 1) % KEYS, key].map(id);
        let retries = letters.map(|id| RetryDead { id, body: None });
        let real = self.fixture.queue.retry_all_dead(&retries, self.fixture.now()).await;
        let real = real.unwrap();
        let listed = letters.map(|id| self.model.retry_dead(id, None));
        assert_eq!((real[0] || real[2], real[1]), (listed[0], listed[1]), "retried");
    }

    async fn add(&mut self, keys: &[u8], delay: i64, twice: bool) {
        let now = self.fixture.now();
        // When one that starts later joins its line depends on who looks when, so it is no matter of this test.
        let later = |job: NewJob| if job.keys.order.is_some() { now } else { now + delay };
        let job = |key: &u8| NewJob {
            run_at: later(self.job(*key)),
            ..self.job(*key)
        };
        let jobs: Vec<_> = keys.iter().map(job).collect();
        for _ in 0..=usize::from(twice) {
            for (job, added) in jobs.iter().zip(self.fixture.add(&jobs).await) {
                let lives = self.model.jobs.contains_key(&job.id);
                self.seen.insert(match (added, lives) {
                    (Added::New, _) => "new",
                    (Added::Duplicate, true) => "duplicate of a job that lives",
                    (Added::Duplicate, false) => "duplicate of a job that ended",
                });
                match (self.model.known(job.id, self.fixture.now()), added) {
                    (Known::Surely, Added::Duplicate) | (Known::Perhaps, Added::Duplicate) => {}
                    (Known::No | Known::Perhaps, Added::New) => {
                        self.model.insert(job, self.fixture.now());
                        self.added.insert(job.id);
                    }
                    (known, added) => panic!("{} is {known:?} known, and was {added:?}", job.id),
                }
            }
        }
    }

    /// One that may start at once.
    fn job(&self, key: u8) -> NewJob {
        let (id, tenant) = (id(key), tenant(key));
        NewJob {
            id,
            queue: Queue::Default,
            tenant,
            run_at: self.fixture.now(),
            keys: keys_of(key),
            body: self.theatre.body(id, &key.to_string()),
        }
    }

    async fn import_dead(&mut self, key: u8) {
        let now = self.fixture.now();
        let letter = NewDead {
            job: self.job(key),
            reason: Reason::Refused,
            died_at: now - DAY_MS,
            attempts: 1,
            errors: vec![Failure {
                attempt: 1,
                at: now - DAY_MS,
                error: format!("refused for the {key}th time"),
                excerpt: None,
            }],
        };
        let imported = self
            .fixture
            .queue
            .import_dead(std::slice::from_ref(&letter), now)
            .await
            .unwrap();
        match (self.model.known(letter.job.id, now), imported[..] == [true]) {
            (Known::Surely | Known::Perhaps, false) => {}
            (Known::No | Known::Perhaps, true) => {
                self.model.bury(&letter, now);
                self.added.insert(letter.job.id);
                self.seen.insert("imported");
            }
            (known, imported) => panic!("{} is {known:?} known; imported: {imported}", letter.job.id),
        }
    }

    async fn claim(&mut self, worker: usize, lane: u8, want: usize) {
        let now = self.fixture.now();
        let (session, until) = (Uuid::from_u128(worker as u128), now + LEASE_HERE_MS);
        let request = ClaimRequest {
            queue: Queue::Default,
            lane,
            want,
            session,
            until,
            now,
        };
        let cap = cap();
        let allowed = self.model.allows(Queue::Default, &cap, now);
        let opens_at = self.model.opens_at(Queue::Default, now);
        let claims = self.handles[worker].claim(&request).await.unwrap();
        let under_cap = claims
            .jobs
            .iter()
            .filter(|job| job.keys.limit.as_ref() == Some(&cap))
            .count();
        assert!(under_cap <= allowed, "{under_cap} started where {allowed} were allowed");
        if let Some(opens_at) = opens_at.filter(|_| !self.model.paused(Queue::Default)) {
            self.seen.insert("a key closed for a time");
            // It may have room for fewer than wait, then it opens when one ends, or for more than a claim wanted.
            assert!(
                self.missed || claims.opens_at.is_none_or(|told| told >= opens_at),
                "{:?}, not {opens_at}",
                claims.opens_at
            );
        }
        let paused = self.model.paused(Queue::Default);
        assert!(claims.jobs.len() <= want);
        assert!(!paused || claims.jobs.is_empty(), "the queue is paused");
        for job in &claims.jobs {
            let entry = self
                .model
                .jobs
                .get(&job.id)
                .expect("a job that is claimed was added and has not ended");
            assert!(
                entry.may_start(Queue::Default, lane, now),
                "claimed, but {:?}",
                entry.state
            );
            assert_eq!(
                (job.attempts, job.crashes, job.tenant),
                (entry.attempts, entry.crashes, entry.tenant)
            );
            assert_eq!((&job.keys, &job.body), (&entry.keys, &entry.body));
            assert!(job.attempts < ATTEMPTS, "it has used up its attempts");
            let starts_at = self.model.take(job.id, job.ticket.claim, session, until, now);
            assert_eq!(job.starts_at, starts_at, "as its rate has it");
        }
        if let Some(first) = claims.jobs.first() {
            assert!(claims.jobs.iter().all(|job| job.ticket.claim == first.ticket.claim));
            assert!(
                self.claims.insert(first.ticket.claim),
                "this claim number was issued before"
            );
        }
        if claims.jobs.len() < want && !claims.more && !paused {
            let left = self.model.jobs.values().filter(|entry| entry.state == State::Ready);
            let left: Vec<_> = left
                .filter(|entry| entry.may_start(Queue::Default, lane, now))
                .collect();
            let (under_cap, free): (Vec<_>, Vec<_>) = left.into_iter().partition(|entry| entry.keys.limit.is_some());
            assert_eq!(free.len(), 0, "a claim came back short and said that there was no more");
            let room = self.model.room(Queue::Default, &cap);
            let closed = self.model.allows(Queue::Default, &cap, now) == 0 || (lane < self.asked && room == Some(1));
            assert!(closed || under_cap.is_empty(), "a claim came back short of an open key");
        }
        let waits = |entry: &Entry| entry.may_start(Queue::Default, lane, now) && entry.keys.limit.is_some();
        if self.model.room(Queue::Default, &cap) == Some(0) && self.model.jobs.values().any(waits) {
            self.asked = self.asked.max(lane);
        }
        self.held[worker].extend(claims.jobs);
    }

    async fn settle(&mut self, worker: usize, answers: &[(usize, Answer)], twice: bool) {
        let mut settles = Vec::new();
        for (pick, answer) in answers {
            if !self.held[worker].is_empty() {
                let place = pick % self.held[worker].len();
                let claimed = self.held[worker].swap_remove(place);
                settles.push(settle(&claimed, self.theatre.run(&claimed, *answer).await));
            }
        }
        let left: BTreeSet<_> = self.held[worker].iter().map(|job| job.ticket.claim).collect();
        let ends: BTreeSet<_> = settles.iter().map(|settle| settle.ticket.claim).collect();
        let finished: Vec<_> = ends.difference(&left).copied().collect();
        for _ in 0..=usize::from(twice) {
            self.hand_in(worker, &settles, &finished).await;
        }
    }

    async fn haunt(&mut self, pick: usize, answer: Answer) {
        if let Some(ghost) = self.ghosts.get(pick % self.ghosts.len().max(1)).cloned() {
            // Before anybody took the job back it still counts, else it does not. The ghost knows of no other job.
            let settles = [settle(&ghost, self.theatre.run(&ghost, answer).await)];
            self.hand_in(0, &settles, &[]).await;
        }
    }

    async fn hand_in(&mut self, worker: usize, settles: &[Settle], finished: &[i64]) {
        let now = self.fixture.now();
        let real = self.handles[worker]
            .settle(Queue::Default, settles, finished, now)
            .await
            .unwrap();
        let listed: Vec<_> = settles.iter().map(|settle| self.model.settle(settle, now)).collect();
        assert_eq!(real, listed);
        self.seen
            .extend(real.iter().map(|held| if *held { "finish" } else { "refused finish" }));
    }

    async fn miss(&mut self, pick: usize, patience: i64) {
        let now = self.fixture.now();
        let rated: Vec<_> = self.held.iter().flatten().filter(|job| job.starts_at > 0).collect();
        let Some(job) = rated.get(pick % rated.len().max(1)) else {
            return;
        };
        let key = job.keys.limit.clone().expect("it has a rate");
        let missed = Missed {
            starts_at: job.starts_at,
            now,
            latest: now + patience,
        };
        let real = self.fixture.queue.reserve_again(Queue::Default, &key, missed);
        let listed = self.model.reserve_again(Queue::Default, &key, missed);
        assert_eq!(real.await.unwrap(), listed);
        self.missed = true;
        self.seen.insert("a start was missed");
    }

    async fn renew(&mut self, worker: usize) {
        let claims: BTreeSet<_> = self.held[worker].iter().map(|job| job.ticket.claim).collect();
        let claims: Vec<_> = claims.into_iter().collect();
        let until = self.fixture.now() + LEASE_HERE_MS;
        let mut lost = self.handles[worker]
            .renew(Queue::Default, &claims, until)
            .await
            .unwrap();
        lost.sort_unstable();
        assert_eq!(lost, self.model.renew(Queue::Default, &claims, until));
        self.seen.insert(if lost.is_empty() { "renewed" } else { "lost lease" });
    }

    async fn sweep(&mut self, dice: f64) {
        let real = self.fixture.sweep_with(dice).await;
        let listed = self.model.sweep(Queue::Default, self.fixture.now(), dice);
        // A claim may have promoted some on its way.
        assert!(real.promoted <= listed.promoted);
        assert_eq!((real.rescued, real.poisoned), (listed.rescued, listed.poisoned));
        assert_eq!(real.next_due, listed.next_due);
    }

    async fn wait(&mut self, by: i64) {
        self.fixture.advance(by);
        if by >= DAY_MS {
            self.purge().await;
        }
    }

    async fn purge(&mut self) {
        let (now, before) = (self.fixture.now(), self.fixture.now() - DEAD_KEPT_MS);
        let real = self.fixture.purge(before).await;
        assert_eq!(real, self.model.purge(Queue::Default, now, before).len() as u64);
    }

    async fn unpark(&mut self) {
        let gates = self.fixture.queue.gates(Queue::Default).await.unwrap();
        let gates: Vec<_> = gates
            .into_iter()
            .map(|(gate, _)| gate)
            .filter(|gate| self.theatre.opens(gate))
            .collect();
        let real = self
            .fixture
            .queue
            .unpark(Queue::Default, &gates, self.fixture.now())
            .await
            .unwrap();
        assert_eq!(real, self.model.unpark(Queue::Default, &gates));
    }

    /// Everybody goes on for long enough: nothing may be left but dead letters.
    pub(crate) async fn finish(&mut self) {
        for worker in 0..WORKERS {
            self.perform(&Operation::Crash { worker }).await;
        }
        self.perform(&Operation::Pause { paused: false }).await;
        self.perform(&Operation::Limit { limit: None }).await;
        self.perform(&Operation::Unpark).await;
        for _ in 0..2 * KEYS {
            for key in 0..KEYS {
                self.perform(&Operation::DeleteDead { key }).await;
            }
            self.perform(&Operation::Wait { by: DAY_MS }).await;
            self.perform(&Operation::Sweep { dice: 1.0 }).await;
            self.compare().await;
            for lane in 0..3 {
                while self
                    .model
                    .jobs
                    .values()
                    .any(|entry| entry.state == State::Ready && entry.crashes == lane)
                {
                    self.perform(&Operation::Claim {
                        worker: 0,
                        lane,
                        want: 5,
                    })
                    .await;
                }
            }
            let answers = vec![(0, Answer::Ok); self.held[0].len()];
            self.perform(&Operation::Settle {
                worker: 0,
                answers,
                twice: false,
            })
            .await;
        }
        self.compare().await;
        let alive: BTreeMap<_, _> = self.model.jobs.iter().filter(|(_, entry)| !entry.is_dead()).collect();
        assert!(alive.is_empty(), "without an end: {alive:?}");
        for id in &self.added {
            let ended = self.model.known(*id, self.fixture.now()) != Known::No;
            let known = ended || self.model.jobs.contains_key(id);
            assert!(known || !self.fixture.queue.ended(*id).await.unwrap(), "{id} is lost");
        }
    }
}

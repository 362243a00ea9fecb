//! Limits and lines where several processes meet: nothing may run beside its limit, nobody may wait for ever, and nobody
//! may wait in a circle (the database would end one of them, and its call fail). `another` gives another process its handle,
//! or the same one, where only one process is meant to be so busy.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use queue::{AfterDeath, Key, Keys, Limit, Order};

use super::*;

/// After this long, what a test waits for is taken for never coming.
const FAILURE_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

fn limited(limit: &str, key: usize) -> NewJob {
    let keys = Keys {
        limit: Key::new(limit),
        order: None,
    };
    NewJob { keys, ..job(key) }
}

fn ordered(line: usize, after_death: AfterDeath, key: usize) -> NewJob {
    let order = Key::new(&format!("line {line}")).map(|key| Order { key, after_death });
    let tenant = Uuid::nil();
    NewJob {
        id: JobId::derive("test", tenant, &key.to_string()),
        tenant,
        keys: Keys { limit: None, order },
        ..job(key)
    }
}

pub(super) async fn at_once(queue: &SqlQueue, limit: &str, most: u32) {
    let limit_set = Limit {
        rate: None,
        concurrency: Some(most),
    };
    queue
        .set_limit(Queue::Default, &Key::new(limit).unwrap(), Some(limit_set), NOW)
        .await
        .unwrap();
}

/// Limit keys of these tests: most let one or two run, the last ones any number.
const KEYS: usize = 8;

fn most(key: usize) -> Option<u32> {
    (key < 6).then_some(1 + key as u32 % 2)
}

/// Every process adds, claims and settles as fast as it can. The clock stands still, so a key that somebody found full is
/// only looked at again because an end was told.
pub(super) async fn no_key_is_ever_forgotten(another: impl Fn() -> Arc<SqlQueue>, total: usize) {
    let first = another();
    for key in 0..KEYS {
        if let Some(most) = most(key) {
            at_once(&first, &key.to_string(), most).await;
        }
    }
    let running: Arc<Mutex<BTreeMap<Key, u32>>> = Arc::default();
    let done = Arc::new(AtomicUsize::new(0));
    let adders: Vec<_> = (0..2)
        .map(|adder| {
            let queue = another();
            tokio::spawn(async move {
                let mine: Vec<_> = (adder..total).step_by(2).collect();
                for part in mine.chunks(4) {
                    let jobs: Vec<_> = part
                        .iter()
                        .map(|key| limited(&(key % KEYS).to_string(), *key))
                        .collect();
                    queue.add(&jobs, NOW).await.unwrap();
                }
            })
        })
        .collect();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (queue, running, done) = (another(), Arc::clone(&running), Arc::clone(&done));
            tokio::spawn(async move {
                while done.load(Ordering::SeqCst) < total {
                    work(&queue, &running, &done).await;
                }
            })
        })
        .collect();
    let all = async {
        for task in adders.into_iter().chain(workers) {
            task.await.unwrap();
        }
    };
    let ended = tokio::time::timeout(FAILURE_LIMIT, all).await;
    assert!(ended.is_ok(), "{} of {total} done", done.load(Ordering::SeqCst));
    let queue = another();
    assert_eq!(queue.counts(Queue::Default).await.unwrap(), Counts::default());
    is_consistent(&queue).await;
}

/// A claim and its settle, watching that no key has more running than it may. What is counted here as running ends before
/// it is settled.
async fn work(queue: &SqlQueue, running: &Mutex<BTreeMap<Key, u32>>, done: &AtomicUsize) {
    let claims = queue.claim(&request(5, NOW + LEASE_MS)).await.unwrap();
    let key = |job: &Claimed| job.keys.limit.clone().unwrap();
    for job in &claims.jobs {
        let mut running = running.lock().unwrap();
        let here = running.entry(key(job)).or_default();
        *here += 1;
        let most = most(key(job).as_str().parse().unwrap());
        assert!(most.is_none_or(|most| *here <= most), "{here} of {} at once", key(job));
    }
    tokio::task::yield_now().await;
    for job in &claims.jobs {
        *running.lock().unwrap().get_mut(&key(job)).unwrap() -= 1;
    }
    let finished: Vec<_> = claims.jobs.iter().map(|job| job.ticket.claim).take(1).collect();
    let settles: Vec<_> = claims.jobs.iter().map(|job| settle(job, Outcome::Done)).collect();
    let held = queue.settle(Queue::Default, &settles, &finished, NOW).await.unwrap();
    assert!(held.iter().all(|held| *held));
    done.fetch_add(held.len(), Ordering::SeqCst);
}

/// What can happen to a line, all at once: adds, ends, deaths, cancels, retries and removals of the dead, sweeps.
pub(super) async fn whatever_happens_to_lines_at_once_nobody_waits_for_ever(
    another: impl Fn() -> Arc<SqlQueue>,
    total: usize,
) {
    const LINES: usize = 5;
    let after_death = |line: usize| {
        if line.is_multiple_of(2) {
            AfterDeath::GoOn
        } else {
            AfterDeath::Hold
        }
    };
    let jobs: Vec<_> = (0..total)
        .map(|key| {
            let job = ordered(key % LINES, after_death(key % LINES), key);
            // Some join when they are due.
            let run_at = if key % 11 == 0 { NOW + 1 } else { NOW };
            NewJob { run_at, ..job }
        })
        .collect();
    let (ids, done) = (
        Arc::new(jobs.iter().map(|job| job.id).collect::<Vec<_>>()),
        Arc::default(),
    );
    let adder = {
        let queue = another();
        tokio::spawn(async move {
            for part in jobs.chunks(7) {
                queue.add(part, NOW).await.unwrap();
            }
        })
    };
    let workers: Vec<_> = (0..3)
        .map(|_| tokio::spawn(run_lines(another(), Arc::clone(&done))))
        .collect();
    let canceller = {
        let (queue, ids, done) = (another(), Arc::clone(&ids), Arc::clone(&done));
        tokio::spawn(async move {
            for id in ids.iter().step_by(7) {
                if queue.cancel(*id, NOW).await.unwrap() == Cancelled::Removed {
                    done.lock().unwrap().push(*id);
                }
            }
        })
    };
    let undertaker = tokio::spawn(bury_or_raise(another(), Arc::clone(&done), total));
    let all = async {
        adder.await.unwrap();
        canceller.await.unwrap();
        // Whoever was cancelled before it was added, and whatever was left while others were busy.
        let cleaner = another();
        while done.lock().unwrap().len() < total {
            cleaner.sweep(Queue::Default, NOW + 1, 0.0).await.unwrap();
            tokio::task::yield_now().await;
        }
        for worker in workers {
            worker.abort();
        }
        undertaker.await.unwrap();
    };
    let ended = tokio::time::timeout(FAILURE_LIMIT, all).await;
    let queue = another();
    let counts = queue.counts(Queue::Default).await.unwrap();
    assert!(
        ended.is_ok(),
        "{} of {total} ended; {counts:?}",
        done.lock().unwrap().len()
    );
    let mut times: HashMap<JobId, usize> = HashMap::new();
    done.lock()
        .unwrap()
        .iter()
        .for_each(|id| *times.entry(*id).or_default() += 1);
    assert!(times.values().all(|times| *times == 1), "each ends once");
    is_consistent(&queue).await;
}

/// A job joins its line while the one before it ends: again and again the line is just over when the next one comes.
pub(super) async fn who_joins_a_line_as_it_empties_starts_in_order(another: impl Fn() -> Arc<SqlQueue>, total: usize) {
    const LINES: usize = 2;
    let (done, started) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::<JobId>::new())));
    let id = |key: usize| ordered(0, AfterDeath::GoOn, key).id;
    let adders: Vec<_> = (0..LINES)
        .map(|line| {
            let (queue, started) = (another(), Arc::clone(&started));
            tokio::spawn(async move {
                for key in (line..total).step_by(LINES) {
                    queue.add(&[ordered(line, AfterDeath::GoOn, key)], NOW).await.unwrap();
                    while !started.lock().unwrap().contains(&id(key)) {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (queue, done, started) = (another(), Arc::clone(&done), Arc::clone(&started));
            tokio::spawn(async move {
                while done.load(Ordering::SeqCst) < total {
                    let claims = queue.claim(&request(2, NOW + LEASE_MS)).await.unwrap();
                    started.lock().unwrap().extend(claims.jobs.iter().map(|job| job.id));
                    let finished: Vec<_> = claims.jobs.iter().map(|job| job.ticket.claim).take(1).collect();
                    let settles: Vec<_> = claims.jobs.iter().map(|job| settle(job, Outcome::Done)).collect();
                    let held = queue.settle(Queue::Default, &settles, &finished, NOW).await.unwrap();
                    done.fetch_add(held.len(), Ordering::SeqCst);
                }
            })
        })
        .collect();
    let all = async {
        for task in adders.into_iter().chain(workers) {
            task.await.unwrap();
        }
    };
    let ended = tokio::time::timeout(FAILURE_LIMIT, all).await;
    assert!(ended.is_ok(), "{} of {total} done", done.load(Ordering::SeqCst));
    let started = started.lock().unwrap().clone();
    let place = |key: usize| {
        started
            .iter()
            .position(|id| *id == ordered(0, AfterDeath::GoOn, key).id)
    };
    for key in LINES..total {
        assert!(
            place(key - LINES) < place(key),
            "{key} started before the one before it"
        );
    }
    is_consistent(&another()).await;
}

/// Claims from all lanes and settles, some with a death or a delay, until it is aborted.
async fn run_lines(queue: Arc<SqlQueue>, done: Arc<Mutex<Vec<JobId>>>) {
    let mut turn = 0_usize;
    loop {
        let claims = queue.claim(&request(3, NOW + LEASE_MS)).await.unwrap();
        let outcomes = claims.jobs.iter().map(|_| {
            turn += 1;
            match turn % 5 {
                0 => Outcome::Dead {
                    reason: queue::backend::Reason::Refused,
                    error: None,
                },
                1 => Outcome::Later {
                    run_at: NOW + 1,
                    error: None,
                    cool: false,
                },
                2 => Outcome::Release,
                _ => Outcome::Done,
            }
        });
        let outcomes: Vec<_> = outcomes.collect();
        let settles: Vec<_> = claims
            .jobs
            .iter()
            .zip(&outcomes)
            .map(|(job, end)| settle(job, end.clone()))
            .collect();
        // All of the claim's jobs are settled; what is noted as done must not be lost when this is aborted.
        let (queue, done) = (Arc::clone(&queue), Arc::clone(&done));
        let noted = tokio::spawn(async move {
            let finished: Vec<_> = claims.jobs.iter().map(|job| job.ticket.claim).take(1).collect();
            queue.settle(Queue::Default, &settles, &finished, NOW).await.unwrap();
            let ended = settles.iter().filter(|settle| settle.outcome == Outcome::Done);
            done.lock().unwrap().extend(ended.map(|settle| settle.id));
        });
        noted.await.unwrap();
        tokio::task::yield_now().await;
    }
}

/// Retries dead letters and removes them, in turns.
async fn bury_or_raise(queue: Arc<SqlQueue>, done: Arc<Mutex<Vec<JobId>>>, total: usize) {
    let mut turn = 0_usize;
    while done.lock().unwrap().len() < total {
        let all = queue::backend::DeadFilter::default();
        for letter in queue.list_dead(&all, None, 10).await.unwrap().items {
            turn += 1;
            if turn.is_multiple_of(2) {
                queue.retry_dead(letter.id, None, NOW).await.unwrap();
            } else if queue.delete_dead(letter.id).await.unwrap() {
                done.lock().unwrap().push(letter.id);
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Cooling, setting and removing limits while jobs of the keys are added, claimed and settled.
pub(super) async fn limits_may_change_at_any_moment(another: impl Fn() -> Arc<SqlQueue>, total: usize) {
    let (queue, done) = (another(), Arc::new(AtomicUsize::new(0)));
    let workers: Vec<_> = (0..3)
        .map(|worker| {
            let (queue, done) = (another(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut turn: usize = worker;
                while done.load(Ordering::SeqCst) < total {
                    let claims = queue.claim(&request(7, NOW + LEASE_MS)).await.unwrap();
                    let settles = claims.jobs.iter().map(|job| {
                        turn += 1;
                        let cooled = Outcome::Later {
                            run_at: NOW,
                            error: None,
                            cool: true,
                        };
                        settle(job, if turn.is_multiple_of(4) { cooled } else { Outcome::Done })
                    });
                    let settles: Vec<_> = settles.collect();
                    let finished: Vec<_> = claims.jobs.iter().map(|job| job.ticket.claim).take(1).collect();
                    queue.settle(Queue::Default, &settles, &finished, NOW).await.unwrap();
                    let ended = settles.iter().filter(|settle| settle.outcome == Outcome::Done).count();
                    done.fetch_add(ended, Ordering::SeqCst);
                    queue.sweep(Queue::Default, NOW, 0.0).await.unwrap();
                }
            })
        })
        .collect();
    let changer = {
        let (queue, done) = (another(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut turn = 0_u32;
            while done.load(Ordering::SeqCst) < total {
                turn += 1;
                let key = Key::new(&(turn % 3).to_string()).unwrap();
                let limit = (!turn.is_multiple_of(4)).then_some(Limit {
                    rate: None,
                    concurrency: Some(turn % 5),
                });
                queue.set_limit(Queue::Default, &key, limit, NOW).await.unwrap();
            }
        })
    };
    let all = async {
        for from in (0..total).step_by(10) {
            let jobs: Vec<_> = (from..from + 10)
                .map(|key| limited(&(key % 3).to_string(), key))
                .collect();
            queue.add(&jobs, NOW).await.unwrap();
        }
        for worker in workers {
            worker.await.unwrap();
        }
        changer.await.unwrap();
    };
    let ended = tokio::time::timeout(FAILURE_LIMIT, all).await;
    assert!(ended.is_ok(), "{} of {total} done", done.load(Ordering::SeqCst));
    assert_eq!(queue.counts(Queue::Default).await.unwrap(), Counts::default());
    is_consistent(&queue).await;
}

/// A key that was cooled is forgotten some time after, so that the table does not grow with every key that ever was.
pub(super) async fn a_cooling_that_is_over_leaves_nothing_behind(url: &str) {
    let queue = open(url);
    queue.add(&[limited("account", 1)], NOW).await.unwrap();
    let job = claim_all(&queue, NOW).await.remove(0);
    let cooled = Outcome::Later {
        run_at: NOW + 10,
        error: None,
        cool: true,
    };
    let claim = job.ticket.claim;
    queue
        .settle(Queue::Default, &[settle(&job, cooled)], &[claim], NOW)
        .await
        .unwrap();
    queue.sweep(Queue::Default, NOW + 10, 0.0).await.unwrap();
    let again = claim_all(&queue, NOW + 10).await;
    assert_eq!(again.len(), 1);
    let claim = again[0].ticket.claim;
    queue
        .settle(Queue::Default, &[settle(&again[0], Outcome::Done)], &[claim], NOW + 10)
        .await
        .unwrap();
    // Of the marks, the claim that finds nothing.
    assert_eq!(claim_all(&queue, NOW + 10).await.len(), 0);
    is_consistent(&queue).await;
}

async fn claim_all(queue: &SqlQueue, now: Millis) -> Vec<Claimed> {
    let mut jobs = Vec::new();
    loop {
        let request = ClaimRequest {
            now,
            ..request(10, NOW + LEASE_MS)
        };
        let claims = queue.claim(&request).await.unwrap();
        jobs.extend(claims.jobs);
        if !claims.more {
            return jobs;
        }
    }
}

/// A faulty row for each thing that `check` looks for among limits and lines, and the finding it must give. The queue has
/// one ready job under the key `key`, one running, and one behind the head of a line.
pub(super) async fn prepare_faults(queue: &SqlQueue) {
    queue.add(&[limited("key", 1)], NOW).await.unwrap();
    assert_eq!(claim_all(queue, NOW).await.len(), 1);
    let line = |key| ordered(1, AfterDeath::GoOn, key);
    queue.add(&[limited("key", 2), line(3), line(4)], NOW).await.unwrap();
    is_consistent(queue).await;
}

/// What breaks, and what is found then.
pub(super) const FAULTS: [(&str, &str); 3] = [
    ("DELETE FROM queue_turns", "1 jobs"),
    ("DELETE FROM queue_lines", "1 jobs"),
    ("UPDATE queue_uses SET first = first + 1", "1 runs"),
];

pub(super) async fn is_found(queue: &SqlQueue, fault: &str) {
    let findings = queue.check().await.unwrap();
    assert!(
        findings
            .iter()
            .any(|found| found.level == FindingLevel::Fault && found.text.starts_with(fault)),
        "{fault}: {findings:?}"
    );
}

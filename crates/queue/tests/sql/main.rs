//! What only a database can get wrong: locks, numbers, lost connections, rows that nobody finds again. What every backend
//! promises is in the conformance suite.
#![allow(clippy::unwrap_used)]

mod flow;
mod letters;
#[cfg(feature = "services")]
mod postgres;
mod sqlite;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use queue::backend::{Added, Cancelled, ClaimRequest, Claimed, Counts, Finding, FindingLevel, NewJob, Outcome, Settle};
use queue::clock::{DAY_MS, day};
use queue::sql::{SqlOptions, SqlQueue};
use queue::{Backend as _, JobId, LEASE, Millis, Queue, QueueError};
use sqlx::Connection as _;
use uuid::Uuid;

/// 2026-01-05 12:00 UTC.
const NOW: Millis = 1_767_614_400_000;
const LEASE_MS: Millis = LEASE.as_millis() as Millis;

fn open(url: &str) -> Arc<SqlQueue> {
    Arc::new(SqlQueue::connect(url, &SqlOptions::default()).unwrap())
}

/// For tests that keep a database as busy as they can: it may take long to answer. (Who waits in a circle is told so after a
/// second.)
fn patient(url: &str) -> Arc<SqlQueue> {
    let options = SqlOptions {
        call_limit: std::time::Duration::from_secs(30),
        ..SqlOptions::default()
    };
    Arc::new(SqlQueue::connect(url, &options).unwrap())
}

fn job(key: usize) -> NewJob {
    let tenant = Uuid::from_u128(key as u128 % 7);
    let id = JobId::derive("test", tenant, &key.to_string());
    NewJob {
        id,
        queue: Queue::Default,
        tenant,
        run_at: NOW,
        keys: queue::Keys::default(),
        body: vec![7; 20],
    }
}

fn jobs(count: usize) -> Vec<NewJob> {
    (0..count).map(job).collect()
}

async fn fill(queue: &SqlQueue, count: usize) {
    for batch in jobs(count).chunks(1000) {
        assert!(
            queue
                .add(batch, NOW)
                .await
                .unwrap()
                .iter()
                .all(|added| *added == Added::New)
        );
    }
}

fn request(want: usize, until: Millis) -> ClaimRequest {
    ClaimRequest {
        queue: Queue::Default,
        lane: 0,
        want,
        session: Uuid::nil(),
        until,
        now: NOW,
    }
}

fn settle(job: &Claimed, outcome: Outcome) -> Settle {
    job.ended(day(NOW), outcome)
}

async fn is_consistent(queue: &SqlQueue) {
    let faults: Vec<Finding> = queue.check().await.unwrap();
    assert!(
        faults
            .iter()
            .all(|finding| finding.level != FindingLevel::Fault || durability(finding)),
        "{faults:?}"
    );
}

/// The server of the tests may well be set up without any.
fn durability(finding: &Finding) -> bool {
    finding.text.contains("power cut")
}

/// Claims and settles until `total` jobs are done between all who do so; answers which were handed out.
async fn drain(queue: Arc<SqlQueue>, total: usize, done: Arc<AtomicUsize>) -> Vec<JobId> {
    let (mut given, mut settles, mut finished) = (Vec::new(), Vec::new(), Vec::new());
    while done.load(Ordering::SeqCst) < total || !settles.is_empty() {
        let (held, claims) = queue
            .step(&settles, &finished, &request(250, NOW + LEASE_MS))
            .await
            .unwrap();
        assert!(held.iter().all(|held| *held));
        done.fetch_add(claims.jobs.len(), Ordering::SeqCst);
        finished = claims.jobs.iter().map(|job| job.ticket.claim).take(1).collect();
        settles = claims.jobs.iter().map(|job| settle(job, Outcome::Done)).collect();
        given.extend(claims.jobs.iter().map(|job| job.id));
    }
    given
}

async fn no_job_is_handed_out_twice(url: &str, total: usize) {
    let queue = open(url);
    fill(&queue, total).await;
    let done = Arc::new(AtomicUsize::new(0));
    let drains: Vec<_> = (0..4)
        .map(|_| tokio::spawn(drain(Arc::clone(&queue), total, Arc::clone(&done))))
        .collect();
    let mut given = Vec::new();
    for drain in drains {
        given.extend(drain.await.unwrap());
    }
    assert_eq!(given.len(), total);
    assert_eq!(given.into_iter().collect::<HashSet<_>>().len(), total);
    assert_eq!(queue.counts(Queue::Default).await.unwrap(), Counts::default());
    is_consistent(&queue).await;
}

/// Every lease ends at once, so sweeps take back what workers are settling at that moment. Whoever wins, each job is
/// settled once, and none is lost.
async fn a_rescue_and_a_settle_at_once_never_both_have_the_job(url: &str) {
    const TOTAL: usize = 3000;
    let queue = open(url);
    fill(&queue, TOTAL).await;
    let left = Arc::new(AtomicUsize::new(TOTAL));
    let sweeper = tokio::spawn({
        let (queue, left) = (Arc::clone(&queue), Arc::clone(&left));
        async move {
            let mut taken_back = 0;
            while left.load(Ordering::SeqCst) > 0 {
                let sweep = queue.sweep(Queue::Default, NOW, 0.0).await.unwrap();
                left.fetch_sub(sweep.rescued, Ordering::SeqCst);
                taken_back += sweep.rescued;
            }
            taken_back
        }
    });
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let (queue, left) = (Arc::clone(&queue), Arc::clone(&left));
            tokio::spawn(async move {
                let mut done = HashSet::new();
                while left.load(Ordering::SeqCst) > 0 {
                    let claims = queue.claim(&request(50, NOW - 1)).await.unwrap();
                    // In two parts, so that a rescue may find half of the lease settled.
                    for half in claims.jobs.chunks(25) {
                        let settles: Vec<_> = half.iter().map(|job| settle(job, Outcome::Done)).collect();
                        let held = queue.settle(Queue::Default, &settles, &[], NOW).await.unwrap();
                        for (job, held) in half.iter().zip(held) {
                            if held {
                                left.fetch_sub(1, Ordering::SeqCst);
                                assert!(done.insert(job.id));
                            }
                        }
                    }
                }
                done
            })
        })
        .collect();
    let mut done = Vec::new();
    for worker in workers {
        done.extend(worker.await.unwrap());
    }
    let taken_back = sweeper.await.unwrap();
    assert_eq!(done.len() + taken_back, TOTAL);
    assert_eq!(done.into_iter().collect::<HashSet<_>>().len() + taken_back, TOTAL);
    let counts = queue.counts(Queue::Default).await.unwrap();
    assert_eq!(
        counts,
        Counts {
            scheduled: taken_back as u64,
            ..Counts::default()
        }
    );
    is_consistent(&queue).await;
}

async fn adds_of_the_same_ids_in_opposite_order_do_not_block_each_other(url: &str) {
    let queue = open(url);
    let there = jobs(1000);
    let back: Vec<_> = there.iter().rev().cloned().collect();
    let adds: Vec<_> = (0..8)
        .map(|number| {
            let queue = Arc::clone(&queue);
            let batch = if number % 2 == 0 { there.clone() } else { back.clone() };
            tokio::spawn(async move { queue.add(&batch, NOW).await.unwrap() })
        })
        .collect();
    let mut new = 0;
    for add in adds {
        new += add.await.unwrap().iter().filter(|added| **added == Added::New).count();
    }
    assert_eq!(new, 1000);
    assert_eq!(queue.counts(Queue::Default).await.unwrap().ready, 1000);
    is_consistent(&queue).await;
}

/// Jobs leave their runs from the front, the middle and the end, and in every state.
async fn a_job_in_any_place_is_covered_once(url: &str) {
    let queue = open(url);
    let mut batch: Vec<_> = (0..60)
        .map(|number| NewJob {
            tenant: Uuid::nil(),
            ..job(number)
        })
        .collect();
    batch.extend((60..70).map(|number| NewJob {
        run_at: NOW + 1,
        ..job(number)
    }));
    queue.add(&batch, NOW).await.unwrap();
    for place in [0, 59, 30, 31, 29, 65] {
        assert_eq!(
            queue.cancel(batch[place].id, NOW).await.unwrap(),
            Cancelled::Removed,
            "job {place}"
        );
        assert_eq!(
            queue.cancel(batch[place].id, NOW).await.unwrap(),
            Cancelled::Unknown,
            "job {place}"
        );
    }
    let mut claimed = Vec::new();
    while claimed.len() < 20 {
        claimed.extend(
            queue
                .claim(&request(20 - claimed.len(), NOW + LEASE_MS))
                .await
                .unwrap()
                .jobs,
        );
    }
    let outcomes = [
        Outcome::Done,
        Outcome::Release,
        Outcome::Park { gate: "kind:a".into() },
        Outcome::Later {
            run_at: NOW + 5,
            error: Some("no".into()),
            cool: false,
        },
        Outcome::Dead {
            reason: queue::backend::Reason::Refused,
            error: None,
        },
    ];
    let settles: Vec<_> = claimed
        .iter()
        .zip(&outcomes)
        .map(|(job, outcome)| settle(job, outcome.clone()))
        .collect();
    assert_eq!(
        queue.settle(Queue::Default, &settles, &[], NOW).await.unwrap(),
        [true; 5]
    );
    assert_eq!(
        queue.settle(Queue::Default, &settles, &[], NOW).await.unwrap(),
        [false; 5]
    );
    is_consistent(&queue).await;
    let expected = Counts {
        ready: 36,
        scheduled: 10,
        running: 15,
        parked: 1,
        dead: 1,
        behind: 0,
        paused: false,
    };
    assert_eq!(queue.counts(Queue::Default).await.unwrap(), expected);
}

async fn what_a_database_cannot_store_does_not_come_back_for_ever(url: &str) {
    let queue = open(url);
    fill(&queue, 2).await;
    let mut claimed = queue.claim(&request(1, NOW + LEASE_MS)).await.unwrap().jobs;
    claimed.extend(queue.claim(&request(1, NOW + LEASE_MS)).await.unwrap().jobs);
    let settles = [
        settle(
            &claimed[0],
            Outcome::Later {
                run_at: NOW + 1,
                error: Some("zero \0 byte".into()),
                cool: false,
            },
        ),
        settle(
            &claimed[1],
            Outcome::Park {
                gate: "zero\0gate".into(),
            },
        ),
    ];
    assert_eq!(
        queue.settle(Queue::Default, &settles, &[], NOW).await.unwrap(),
        [true, true]
    );
    let error = &queue.find(claimed[0].id).await.unwrap().unwrap().errors[0].error;
    assert_eq!(error, "zero \u{fffd} byte");
    assert_eq!(
        queue.unpark(Queue::Default, &["zero\0gate".into()], NOW).await.unwrap(),
        1
    );
}

async fn keys_of_jobs_that_live_are_never_forgotten(url: &str) {
    let queue = open(url);
    let batch: Vec<_> = jobs(4);
    queue.add(&batch, NOW).await.unwrap();
    let mut claimed = Vec::new();
    while claimed.len() < 4 {
        claimed.extend(
            queue
                .claim(&request(4 - claimed.len(), NOW + 100 * DAY_MS))
                .await
                .unwrap()
                .jobs,
        );
    }
    let later = NOW + 20 * DAY_MS;
    let outcomes = [
        Outcome::Park { gate: "x".into() },
        Outcome::Later {
            run_at: later + 40 * DAY_MS,
            error: None,
            cool: false,
        },
        Outcome::Dead {
            reason: queue::backend::Reason::Refused,
            error: None,
        },
        Outcome::Done,
    ];
    let settles: Vec<_> = claimed
        .iter()
        .zip(outcomes)
        .map(|(job, outcome)| settle(job, outcome))
        .collect();
    queue.settle(Queue::Default, &settles, &[], NOW).await.unwrap();
    queue.purge(Queue::Default, later, 0).await.unwrap();
    let again = queue
        .add(
            &claimed
                .iter()
                .map(|job| batch[index(&batch, job)].clone())
                .collect::<Vec<_>>(),
            later,
        )
        .await;
    assert_eq!(
        again.unwrap(),
        [Added::Duplicate, Added::Duplicate, Added::Duplicate, Added::New]
    );
}

fn index(batch: &[NewJob], claimed: &Claimed) -> usize {
    batch.iter().position(|job| job.id == claimed.id).unwrap()
}

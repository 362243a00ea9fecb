//! What only a database can get wrong: locks, numbers, lost connections, rows that nobody finds again. What every backend
//! promises is in the conformance suite.
#![allow(clippy::unwrap_used)]

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

fn job(key: usize) -> NewJob {
    let tenant = Uuid::from_u128(key as u128 % 7);
    let id = JobId::derive("test", tenant, &key.to_string());
    NewJob {
        id,
        queue: Queue::Default,
        tenant,
        run_at: NOW,
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
    Settle {
        id: job.id,
        tenant: job.tenant,
        crashes: job.crashes,
        attempts: job.attempts,
        ticket: job.ticket,
        added_on: day(NOW),
        outcome,
    }
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

mod sqlite {
    use super::*;

    async fn database() -> testkit::sqlite::TempSqlite {
        let database = testkit::sqlite::fresh();
        let mut connection = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
        let schema = include_str!("../../../migrations/sqlite/0001_queue.sql");
        sqlx::raw_sql(schema).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        database
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_job_is_handed_out_twice() {
        super::no_job_is_handed_out_twice(database().await.url(), 20_000).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_rescue_and_a_settle_at_once_never_both_have_the_job() {
        super::a_rescue_and_a_settle_at_once_never_both_have_the_job(database().await.url()).await;
    }

    #[tokio::test]
    async fn adds_of_the_same_ids_in_opposite_order_do_not_block_each_other() {
        super::adds_of_the_same_ids_in_opposite_order_do_not_block_each_other(database().await.url()).await;
    }

    #[tokio::test]
    async fn a_job_in_any_place_is_covered_once() {
        super::a_job_in_any_place_is_covered_once(database().await.url()).await;
    }

    #[tokio::test]
    async fn what_a_database_cannot_store_does_not_come_back_for_ever() {
        super::what_a_database_cannot_store_does_not_come_back_for_ever(database().await.url()).await;
    }

    #[tokio::test]
    async fn keys_of_jobs_that_live_are_never_forgotten() {
        super::keys_of_jobs_that_live_are_never_forgotten(database().await.url()).await;
    }

    #[tokio::test]
    async fn a_file_that_somebody_else_writes_to_is_unreachable_and_then_not() {
        let database = database().await;
        let queue = open(database.url());
        let mut other = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        let refused = queue.add(&jobs(1), NOW).await;
        assert!(matches!(refused, Err(QueueError::Unavailable(_))), "{refused:?}");
        queue.ping().await.unwrap();
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        assert_eq!(queue.add(&jobs(1), NOW).await.unwrap(), [Added::New]);
    }

    #[tokio::test]
    async fn a_file_without_tables_is_broken_and_one_that_is_not_there_unreachable() {
        let empty = testkit::sqlite::fresh();
        let answer = open(empty.url()).ping().await;
        assert!(matches!(answer, Err(QueueError::Broken(_))), "{answer:?}");
        let answer = open(&format!("{}.elsewhere", empty.url())).ping().await;
        assert!(matches!(answer, Err(QueueError::Unavailable(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn a_job_that_nothing_would_start_is_found() {
        let database = database().await;
        let queue = open(database.url());
        fill(&queue, 30).await;
        is_consistent(&queue).await;
        let mut other = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
        sqlx::raw_sql("DELETE FROM queue_ready WHERE pos = (SELECT max(pos) FROM queue_ready)")
            .execute(&mut other)
            .await
            .unwrap();
        let findings = queue.check().await.unwrap();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(
            findings[0].level == FindingLevel::Fault && findings[0].text.contains("4 jobs"),
            "{findings:?}"
        );
    }

    #[tokio::test]
    async fn an_ended_claims_number_is_never_issued_again() {
        let database = database().await;
        fill(&open(database.url()), 30).await;
        let mut numbers = HashSet::new();
        for _ in 0..3 {
            // A process that starts anew.
            let queue = open(database.url());
            let claimed = queue.claim(&request(1, NOW + LEASE_MS)).await.unwrap().jobs.remove(0);
            let claim = claimed.ticket.claim;
            assert!(numbers.insert(claim));
            queue
                .settle(Queue::Default, &[settle(&claimed, Outcome::Done)], &[claim], NOW)
                .await
                .unwrap();
        }
    }
}

#[cfg(feature = "services")]
mod postgres {
    use std::time::{Duration, Instant};

    use super::*;

    /// What a call may take when the database is away, with room for a busy machine.
    const CALL_LIMIT: Duration = Duration::from_secs(3);

    async fn database() -> testkit::postgres::TempPostgres {
        testkit::postgres::fresh_from_template("queue_sql", async |url| {
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            let schema = include_str!("../../../migrations/postgres/0001_queue.sql");
            sqlx::raw_sql(schema).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        })
        .await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_job_is_handed_out_twice() {
        super::no_job_is_handed_out_twice(database().await.url(), 100_000).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_rescue_and_a_settle_at_once_never_both_have_the_job() {
        super::a_rescue_and_a_settle_at_once_never_both_have_the_job(database().await.url()).await;
    }

    #[tokio::test]
    async fn adds_of_the_same_ids_in_opposite_order_do_not_block_each_other() {
        super::adds_of_the_same_ids_in_opposite_order_do_not_block_each_other(database().await.url()).await;
    }

    #[tokio::test]
    async fn a_job_in_any_place_is_covered_once() {
        super::a_job_in_any_place_is_covered_once(database().await.url()).await;
    }

    #[tokio::test]
    async fn what_a_database_cannot_store_does_not_come_back_for_ever() {
        super::what_a_database_cannot_store_does_not_come_back_for_ever(database().await.url()).await;
    }

    #[tokio::test]
    async fn keys_of_jobs_that_live_are_never_forgotten() {
        super::keys_of_jobs_that_live_are_never_forgotten(database().await.url()).await;
    }

    #[tokio::test]
    async fn a_job_that_nothing_would_start_is_found() {
        let database = database().await;
        let queue = open(database.url());
        fill(&queue, 30).await;
        is_consistent(&queue).await;
        let mut other = sqlx::PgConnection::connect(database.url()).await.unwrap();
        sqlx::raw_sql("DELETE FROM queue_ready WHERE pos = (SELECT max(pos) FROM queue_ready)")
            .execute(&mut other)
            .await
            .unwrap();
        let findings = queue.check().await.unwrap();
        assert!(
            findings
                .iter()
                .any(|found| found.level == FindingLevel::Fault && found.text.contains("4 jobs"))
        );
    }

    /// A claim that cancels compete with: whoever is answered `Removed` was right.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_cancelled_job_is_not_in_a_claim_made_at_the_same_moment() {
        const TOTAL: usize = 2000;
        let database = database().await;
        let queue = open(database.url());
        fill(&queue, TOTAL).await;
        let cancels = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move {
                let mut removed = HashSet::new();
                for number in (0..TOTAL).step_by(3) {
                    if queue.cancel(job(number).id, NOW).await.unwrap() == Cancelled::Removed {
                        removed.insert(job(number).id);
                    }
                }
                removed
            }
        });
        let mut claimed = HashSet::new();
        loop {
            let claims = queue.claim(&request(5, NOW + LEASE_MS)).await.unwrap();
            claimed.extend(claims.jobs.iter().map(|job| job.id));
            if claims.jobs.is_empty() && !claims.more {
                break;
            }
        }
        let removed = cancels.await.unwrap();
        assert_eq!(claimed.intersection(&removed).count(), 0);
        assert_eq!(claimed.len() + removed.len(), TOTAL);
        is_consistent(&queue).await;
    }

    async fn behind_a_proxy(url: &str) -> (testkit::Proxy, Arc<SqlQueue>) {
        let mut url = sqlx::postgres::PgConnectOptions::clone(&url.parse().unwrap());
        let target = (url.get_host().to_owned(), url.get_port());
        let target = tokio::net::lookup_host(target).await.unwrap().next().unwrap();
        let proxy = testkit::Proxy::to(target).await;
        url = url.host("127.0.0.1").port(proxy.addr().port());
        let queue = open(sqlx::ConnectOptions::to_url_lossy(&url).as_str());
        (proxy, queue)
    }

    async fn is_unavailable_in_time(queue: &SqlQueue) {
        let start = Instant::now();
        let (add, claim) = (jobs(1), request(1, NOW));
        let (added, claimed, counted) =
            tokio::join!(queue.add(&add, NOW), queue.claim(&claim), queue.counts(Queue::Default));
        for error in [added.err(), claimed.err(), counted.err()] {
            assert!(matches!(error, Some(QueueError::Unavailable(_))), "{error:?}");
        }
        assert!(start.elapsed() < CALL_LIMIT, "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn a_database_that_was_stopped_is_used_again_when_it_is_back() {
        let database = database().await;
        let (proxy, queue) = behind_a_proxy(database.url()).await;
        proxy.cut();
        // Never connected yet.
        is_unavailable_in_time(&queue).await;
        proxy.restore();
        queue.ping().await.unwrap();
        // Connected, and cut off.
        proxy.cut();
        is_unavailable_in_time(&queue).await;
        proxy.restore();
        assert_eq!(queue.add(&jobs(1), NOW).await.unwrap(), [Added::New]);
    }

    #[tokio::test]
    async fn a_database_behind_a_dead_network_is_used_again_when_it_is_back() {
        let database = database().await;
        let (proxy, queue) = behind_a_proxy(database.url()).await;
        queue.ping().await.unwrap();
        proxy.hang();
        is_unavailable_in_time(&queue).await;
        is_unavailable_in_time(&queue).await;
        proxy.restore();
        queue.ping().await.unwrap();
        queue.add(&jobs(1), NOW).await.unwrap();
        is_consistent(&queue).await;
    }

    #[tokio::test]
    async fn who_waits_is_told_when_the_database_is_back() {
        let database = database().await;
        let (proxy, queue) = behind_a_proxy(database.url()).await;
        let wakes = queue.wakes(Queue::Default);
        let told = || tokio::time::timeout(Duration::from_secs(30), wakes.notified());
        told().await.expect("the first connection rings");
        proxy.cut();
        proxy.restore();
        told().await.expect("a new connection rings");
        queue.add(&jobs(1), NOW).await.unwrap();
        told().await.expect("work rings");
    }
}

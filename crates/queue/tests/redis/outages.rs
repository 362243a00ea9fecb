//! A Redis that is away, silent, forgetful, full, or set up badly.

use std::time::{Duration, Instant};

use queue::backend::{Added, Counts, FindingLevel};
use queue::redis::RedisQueue;
use queue::{Backend as _, Queue, QueueError};
use testkit::process::Signal;
use testkit::redis::Server;
use tokio::time::timeout;

use crate::{FAILURE_LIMIT, NOW, claim, every_outcome, fill, job, jobs, live_a_life, run, settle};
use queue::backend::Outcome;

/// How soon a call must have failed when Redis is away.
const AWAY_LIMIT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn scripts_that_redis_forgot_are_loaded_again() {
    // A server of its own: others would notice that their scripts are gone.
    let server = Server::start().await;
    let queue = RedisQueue::connect(server.url(), "test").unwrap();
    for life in 0..3 {
        run(server.url(), redis::cmd("SCRIPT").arg("FLUSH"));
        run(server.url(), redis::cmd("DEL").arg("unrelated"));
        if life > 0 {
            run(server.url(), &mut redis::cmd("FLUSHALL"));
        }
        live_a_life(&queue).await;
    }
}

#[tokio::test]
async fn a_queue_that_is_away_fails_fast_and_works_again_when_it_is_back() {
    let mut server = Server::start().await;
    let queue = RedisQueue::connect(server.url(), "test").unwrap();
    fill(&queue, &jobs(1, 10)).await;
    let held = claim(&queue, 4).await;

    server.kill();
    for _ in 0..3 {
        let asked_at = Instant::now();
        let added = queue.add(&[job(1, 99)], NOW).await;
        assert!(matches!(added, Err(QueueError::Unavailable(_))), "{added:?}");
        assert!(asked_at.elapsed() < AWAY_LIMIT);
    }
    server.restart().await;
    assert_eq!(queue.add(&[job(1, 99)], NOW).await.unwrap(), [Added::New]);
    assert_eq!(
        settle(&queue, &held, Outcome::Done).await,
        [true; 4],
        "leases outlive a restart"
    );
    assert_eq!(claim(&queue, 10).await.len(), 7);
}

#[tokio::test]
async fn a_queue_that_is_silent_fails_fast_and_works_again_when_it_answers() {
    let server = Server::start().await;
    let queue = RedisQueue::connect(server.url(), "test").unwrap();
    fill(&queue, &jobs(1, 1)).await;

    server.program().signal(Signal::Stop);
    let calls = async {
        let asked_at = Instant::now();
        let calls: [_; 20] = std::array::from_fn(|key| [job(2, key)]);
        let answers = futures_util::future::join_all(calls.iter().map(|job| queue.add(job, NOW))).await;
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Err(QueueError::Unavailable(_))))
        );
        assert!(asked_at.elapsed() < AWAY_LIMIT, "together, not one after the other");
    };
    calls.await;
    server.program().signal(Signal::Continue);
    assert_eq!(queue.add(&[job(3, 1)], NOW).await.unwrap(), [Added::New]);
}

#[tokio::test]
async fn a_queue_may_be_away_from_the_start() {
    let mut server = Server::start().await;
    server.kill();
    let queue = RedisQueue::connect(server.url(), "test").unwrap();
    assert!(matches!(queue.ping().await, Err(QueueError::Unavailable(_))));
    let wake = queue.wakes(Queue::Default);
    server.restart().await;
    queue.ping().await.unwrap();
    timeout(FAILURE_LIMIT, wake.notified())
        .await
        .expect("the listener connects by itself");
}

#[tokio::test]
async fn a_listener_that_lost_its_connection_tells_after_it_is_back() {
    let mut server = Server::start().await;
    let queue = RedisQueue::connect(server.url(), "test").unwrap();
    let wake = queue.wakes(Queue::Default);
    timeout(FAILURE_LIMIT, wake.notified()).await.unwrap();
    server.restart().await;
    timeout(FAILURE_LIMIT, wake.notified())
        .await
        .expect("work may have come meanwhile");
    queue.add(&[job(1, 1)], NOW).await.unwrap();
    timeout(FAILURE_LIMIT, wake.notified()).await.expect("it listens again");
}

#[tokio::test]
async fn a_full_redis_refuses_jobs_and_lets_those_it_has_go() {
    let server = Server::start().await;
    let queue = RedisQueue::connect(server.url(), "test").unwrap();
    fill(&queue, &jobs(1, 100)).await;
    run(server.url(), redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1));

    let added = queue.add(&[job(2, 1)], NOW).await;
    assert!(matches!(added, Err(QueueError::Unavailable(_))), "{added:?}");
    let claimed = claim(&queue, 100).await;
    assert_eq!(claimed.len(), 100);
    for (claimed, outcome) in claimed.chunks(20).zip(every_outcome()) {
        assert_eq!(settle(&queue, claimed, outcome).await, [true; 20]);
    }
    let counts = Counts {
        ready: 20,
        scheduled: 20,
        parked: 20,
        dead: 20,
        ..Counts::default()
    };
    assert_eq!(queue.counts(Queue::Default).await.unwrap(), counts);

    run(server.url(), redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0));
    assert_eq!(
        queue.add(&[job(2, 1)], NOW).await.unwrap(),
        [Added::New],
        "the refused add left nothing"
    );
}

#[tokio::test]
async fn a_redis_that_may_lose_jobs_is_found_out() {
    let server = Server::start().await;
    let queue = RedisQueue::connect(server.url(), "test").unwrap();
    let worst = async || {
        let levels = queue.check().await.unwrap().into_iter().map(|finding| finding.level);
        levels.max_by_key(|level| *level as u8).unwrap()
    };
    assert_eq!(worst().await, FindingLevel::Good);
    let set = |name, value| run(server.url(), redis::cmd("CONFIG").arg("SET").arg(name).arg(value));
    set("appendfsync", "everysec");
    assert_eq!(worst().await, FindingLevel::Warning);
    set("maxmemory-policy", "allkeys-lru");
    assert_eq!(worst().await, FindingLevel::Fault);
}

//! What only Redis can get wrong: forgotten scripts, lost connections, a full memory, slots, keys left behind, tokens
//! that reach the wrong process. What every backend promises is in the conformance suite.
#![cfg(feature = "services")]
#![allow(clippy::unwrap_used)]

mod jobs;
mod keyspace;
mod letters;
mod limits;
mod lines;
mod outages;
mod tokens;
mod topologies;
mod whole;

use std::time::Duration;

use queue::backend::{
    Added, Cancelled, ClaimRequest, Claimed, Counts, DeadFilter, ListRequest, NewJob, Outcome, Reason, Settle,
};
use queue::redis::RedisQueue;
use queue::{AfterDeath, Backend as _, JobId, Key, Keys, LEASE, Limit, Millis, Order, Queue};
use testkit::redis::TempRedis;
use uuid::Uuid;

/// 2026-01-05 12:00 UTC.
pub(crate) const NOW: Millis = 1_767_614_400_000;
pub(crate) const LEASE_MS: Millis = LEASE.as_millis() as Millis;

/// After this long, what a test waits for is taken for never coming.
pub(crate) const FAILURE_LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn open(redis: &TempRedis) -> RedisQueue {
    RedisQueue::connect(redis.url(), redis.prefix()).unwrap()
}

pub(crate) fn job(tenant: u128, key: usize) -> NewJob {
    let tenant = Uuid::from_u128(tenant);
    let id = JobId::derive("test", tenant, &key.to_string());
    NewJob {
        id,
        queue: Queue::Default,
        tenant,
        run_at: NOW,
        keys: Keys::default(),
        body: format!("body {key}").into_bytes(),
    }
}

pub(crate) fn jobs(tenant: u128, count: usize) -> Vec<NewJob> {
    (0..count).map(|key| job(tenant, key)).collect()
}

pub(crate) async fn fill(queue: &RedisQueue, jobs: &[NewJob]) {
    for batch in jobs.chunks(1000) {
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

pub(crate) fn request(lane: u8, want: usize, now: Millis) -> ClaimRequest {
    ClaimRequest {
        queue: Queue::Default,
        lane,
        want,
        session: Uuid::from_u128(1),
        until: now + LEASE_MS,
        now,
    }
}

pub(crate) async fn claim(queue: &RedisQueue, want: usize) -> Vec<Claimed> {
    queue.claim(&request(0, want, NOW)).await.unwrap().jobs
}

pub(crate) fn ending(claimed: &Claimed, outcome: Outcome) -> Settle {
    claimed.ended(0, outcome)
}

pub(crate) async fn settle(queue: &RedisQueue, claimed: &[Claimed], outcome: Outcome) -> Vec<bool> {
    let settles: Vec<_> = claimed.iter().map(|claimed| ending(claimed, outcome.clone())).collect();
    queue.settle(Queue::Default, &settles, &[], NOW).await.unwrap()
}

pub(crate) fn every_outcome() -> [Outcome; 5] {
    [
        Outcome::Done,
        Outcome::Later {
            run_at: NOW + 1000,
            error: Some("no".into()),
            cool: false,
        },
        Outcome::Dead {
            reason: Reason::Refused,
            error: Some("never".into()),
        },
        Outcome::Park { gate: "kind:x".into() },
        Outcome::Release,
    ]
}

pub(crate) fn run(url: &str, command: &mut redis::Cmd) -> redis::Value {
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    command.query(&mut connection).unwrap()
}

pub(crate) fn keys(redis: &TempRedis) -> Vec<String> {
    let pattern = format!("*{}*", redis.prefix());
    redis::from_redis_value(run(redis.url(), redis::cmd("KEYS").arg(pattern))).unwrap()
}

pub(crate) fn limited(tenant: u128, key: usize, limit: &str) -> NewJob {
    let keys = Keys {
        limit: Key::new(limit),
        order: None,
    };
    NewJob {
        keys,
        ..job(tenant, key)
    }
}

pub(crate) fn ordered(key: usize, line: &str, after_death: AfterDeath) -> NewJob {
    let order = Key::new(line).map(|key| Order { key, after_death });
    NewJob {
        keys: Keys { limit: None, order },
        ..job(1, key)
    }
}

pub(crate) async fn set_limit(queue: &RedisQueue, key: &str, limit: Option<Limit>, now: Millis) {
    let key = Key::new(key).unwrap();
    queue.set_limit(Queue::Default, &key, limit, now).await.unwrap();
}

pub(crate) fn at_once(most: u32) -> Option<Limit> {
    Some(Limit {
        rate: None,
        concurrency: Some(most),
    })
}

pub(crate) async fn settle_at(queue: &RedisQueue, claimed: &[Claimed], outcome: Outcome, now: Millis) {
    let settles: Vec<_> = claimed.iter().map(|claimed| ending(claimed, outcome.clone())).collect();
    let held = queue.settle(Queue::Default, &settles, &[], now).await.unwrap();
    assert!(held.iter().all(|held| *held));
}

/// A line under a limit, from its first job to its last.
async fn live_under_keys(queue: &RedisQueue) {
    let limit = Key::new("account").unwrap();
    let order = Key::new("conversation").map(|key| Order {
        key,
        after_death: AfterDeath::Hold,
    });
    let keys = Keys {
        limit: Some(limit.clone()),
        order,
    };
    let one = Limit {
        rate: None,
        concurrency: Some(1),
    };
    queue.set_limit(Queue::Default, &limit, Some(one), NOW).await.unwrap();
    let line = (100..103).map(|key| NewJob {
        keys: keys.clone(),
        ..job(1, key)
    });
    fill(queue, &line.collect::<Vec<_>>()).await;
    let head = claim(queue, 5).await;
    assert_eq!((head.len(), &head[0].keys), (1, &keys));
    assert_eq!(queue.counts(Queue::Default).await.unwrap().behind, 2);
    let limits = queue.limits(Queue::Default, NOW).await.unwrap();
    assert_eq!((limits.len(), limits[0].limit, limits[0].running), (1, one, 1));
    settle(queue, &head, Outcome::Park { gate: "g".into() }).await;
    assert_eq!(queue.gates(Queue::Default).await.unwrap(), [("g".to_owned(), 1)]);
    assert_eq!(queue.unpark(Queue::Default, &["g".into()], NOW).await.unwrap(), 1);
    for _ in 0..3 {
        assert_eq!(settle(queue, &claim(queue, 5).await, Outcome::Done).await, [true]);
    }
    queue.set_limit(Queue::Default, &limit, None, NOW).await.unwrap();
    assert_eq!(queue.limits(Queue::Default, NOW).await.unwrap(), []);
}

/// Goes through every script once or more.
pub(crate) async fn live_a_life(queue: &RedisQueue) {
    live_under_keys(queue).await;
    fill(queue, &jobs(1, 10)).await;
    let claimed = claim(queue, 5).await;
    assert_eq!(claimed.len(), 5);
    for (claimed, outcome) in claimed.iter().zip(every_outcome()) {
        assert_eq!(settle(queue, std::slice::from_ref(claimed), outcome).await, [true]);
    }
    let soon_over = ClaimRequest {
        until: NOW,
        ..request(0, 1, NOW)
    };
    let claim_number = queue.claim(&soon_over).await.unwrap().jobs[0].ticket.claim;
    assert!(
        queue
            .renew(Queue::Default, &[claim_number], NOW + 1)
            .await
            .unwrap()
            .is_empty()
    );
    let swept = queue.sweep(Queue::Default, NOW + 2000, 0.5).await.unwrap();
    assert_eq!((swept.promoted, swept.rescued), (1, 1));
    assert_eq!(queue.unpark(Queue::Default, &["kind:x".into()], NOW).await.unwrap(), 1);
    let counts = Counts {
        ready: 7,
        scheduled: 1,
        dead: 1,
        ..Counts::default()
    };
    assert_eq!(queue.counts(Queue::Default).await.unwrap(), counts);
    assert_eq!(
        queue
            .list(ListRequest {
                limit: 100,
                ..ListRequest::default()
            })
            .await
            .unwrap()
            .items
            .len(),
        8
    );
    assert_eq!(
        queue
            .list_dead(&DeadFilter::default(), None, 100)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    letters::live_among_buckets(queue).await;
    let letter = queue.find(claimed[2].id).await.unwrap().unwrap();
    assert!(queue.rewrite(letter.id, &letter.body, b"other").await.unwrap());
    assert!(queue.retry_dead(claimed[2].id, None, NOW).await.unwrap());
    assert_eq!(queue.find(claimed[2].id).await.unwrap().unwrap().body, b"other");
    assert!(queue.ended(claimed[0].id).await.unwrap());
    assert_eq!(queue.cancel(claimed[2].id, NOW).await.unwrap(), Cancelled::Removed);
    assert!(!queue.delete_dead(claimed[2].id).await.unwrap());
    let pause = queue::Pause {
        scope: queue::Scope::Queue(Queue::Default),
        by: "an operator".to_owned(),
        at: NOW,
    };
    queue.pause(&pause).await.unwrap();
    assert!(claim(queue, 10).await.is_empty());
    queue.resume(&pause.scope).await.unwrap();
}

//! What is kept stays whole: random sequences of calls, and after each of them a look at the keys themselves.
//!
//! Every job is in one place; every list that has jobs has its turn, on a ring or behind its closed limit key, once; a key
//! that is closed will be looked at again; who is counted under a key runs. So nothing is forgotten, also where no answer
//! would show it. What the answers must be is the model's matter.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use queue::backend::{Claimed, Counts, DeadFilter, NewJob, Outcome, Reason};
use queue::clock::DAY_MS;
use queue::redis::RedisQueue;
use queue::{AfterDeath, Backend as _, JobId, Key, Keys, Limit, Millis, Order, Queue, Rate};
use testkit::redis::{TempRedis, fresh};
use uuid::Uuid;

use crate::keyspace::{Bytes, Keyspace};
use crate::{LEASE_MS, NOW, ending, open, request};

/// A queue, what its only worker holds, and what time it is.
struct World {
    redis: TempRedis,
    queue: RedisQueue,
    now: Millis,
    held: Vec<Claimed>,
    keys: BTreeMap<JobId, Keys>,
}

/// What happens, and two numbers that say how.
type Event = (u8, u8, u8);

fn key(name: &str, number: u8, of: u8) -> Option<Key> {
    let number = number % of;
    (number > 0).then(|| Key::new(&format!("{name}{number}")).unwrap())
}

/// Tenant, limit key and line of a job follow from its number.
fn numbered(number: u8) -> (Uuid, JobId, Keys) {
    let tenant = Uuid::from_u128(u128::from(number % 5) + 1);
    let order = key("line", number / 7, 3).map(|key| Order {
        key,
        after_death: if number.is_multiple_of(2) {
            AfterDeath::GoOn
        } else {
            AfterDeath::Hold
        },
    });
    let keys = Keys {
        limit: key("limit", number, 3),
        order,
    };
    (tenant, JobId::derive("test", tenant, &number.to_string()), keys)
}

fn limit(number: u8) -> Option<Limit> {
    let rate = |count, seconds| Rate::new(count, Duration::from_secs(seconds));
    let (rate, concurrency) = match number % 7 {
        0 => return None,
        1 => (None, Some(0)),
        2 => (None, Some(1)),
        3 => (None, Some(3)),
        4 => (rate(1, 10), None),
        5 => (rate(100, 1), None),
        _ => (rate(50, 1), Some(2)),
    };
    Some(Limit { rate, concurrency })
}

impl World {
    async fn perform(&mut self, (what, which, how): Event) {
        let id = numbered(which % 60).1;
        match what % 16 {
            0..4 => self.add(which, how).await,
            4..8 => self.step(which, how).await,
            8 => self.now += [1, 20, 1000, LEASE_MS + 1][usize::from(how % 4)],
            9 => self.sweep().await,
            10 => drop(self.queue.cancel(id, self.now).await.unwrap()),
            11 => self.limit(which, limit(how)).await,
            12 => drop(
                self.queue
                    .unpark(Queue::Default, &["g".into()], self.now)
                    .await
                    .unwrap(),
            ),
            13 => drop(self.queue.retry_dead(id, None, self.now).await.unwrap()),
            14 => drop(self.queue.delete_dead(id).await.unwrap()),
            _ if how.is_multiple_of(2) => drop(self.queue.dead_groups(&DeadFilter::default()).await.unwrap()),
            _ => self.held.clear(),
        }
    }

    async fn add(&mut self, from: u8, how: u8) {
        let jobs: Vec<_> = (from..=from.saturating_add(how % 6))
            .map(|number| {
                let (tenant, id, keys) = numbered(number % 60);
                self.keys.insert(id, keys.clone());
                NewJob {
                    id,
                    queue: Queue::Default,
                    tenant,
                    run_at: self.now + if how.is_multiple_of(3) { 1000 } else { 0 },
                    keys,
                    body: b"body".to_vec(),
                }
            })
            .collect();
        self.queue.add(&jobs, self.now).await.unwrap();
    }

    /// Settles what the worker holds but for a few, and claims.
    async fn step(&mut self, which: u8, how: u8) {
        let ends = self.held.split_off(self.held.len().min(usize::from(which % 3)));
        let run_at = self.now + i64::from(which) * 10;
        let settles: Vec<_> = ends
            .iter()
            .enumerate()
            .map(|(place, claimed)| {
                let outcome = match (place + usize::from(how)) % 9 {
                    0 => Outcome::Later {
                        run_at,
                        error: Some("no".into()),
                        cool: which.is_multiple_of(3),
                    },
                    1 => Outcome::Dead {
                        reason: Reason::Refused,
                        error: None,
                    },
                    2 => Outcome::Park { gate: "g".into() },
                    3 => Outcome::Release,
                    _ => Outcome::Done,
                };
                ending(claimed, outcome)
            })
            .collect();
        let ask = request(which % 7 % 3, usize::from(how % 8), self.now);
        let (_, claims) = self.queue.step(&settles, &[], &ask).await.unwrap();
        self.held.extend(claims.jobs);
    }

    async fn sweep(&self) {
        self.queue.sweep(Queue::Default, self.now, 0.5).await.unwrap();
    }

    async fn limit(&mut self, which: u8, limit: Option<Limit>) {
        let Some(key) = key("limit", which, 3) else { return };
        self.queue
            .set_limit(Queue::Default, &key, limit, self.now)
            .await
            .unwrap();
    }
}

/// Everything goes on, with limits still in force: nothing may be left.
async fn finish(world: &mut World) {
    world.held.clear();
    for which in 1..3 {
        world.limit(which, limit(3 * which)).await;
    }
    for round in 0..400 {
        world.now += if round % 20 == 0 { LEASE_MS + 100_000 } else { 1000 };
        world.sweep().await;
        world
            .queue
            .unpark(Queue::Default, &["g".into()], world.now)
            .await
            .unwrap();
        for number in 0..60 {
            if round % 20 == 0 {
                world.queue.delete_dead(numbered(number).1).await.unwrap();
            }
        }
        for lane in 0..3 {
            let ask = request(lane, 10, world.now);
            let claimed = world.queue.claim(&ask).await.unwrap().jobs;
            let settles: Vec<_> = claimed.iter().map(|claimed| ending(claimed, Outcome::Done)).collect();
            world
                .queue
                .settle(Queue::Default, &settles, &[], world.now)
                .await
                .unwrap();
        }
        if round % 20 == 19 && world.queue.counts(Queue::Default).await.unwrap() == Counts::default() {
            break;
        }
    }
    assert_eq!(world.queue.counts(Queue::Default).await.unwrap(), Counts::default());
    for which in 1..3 {
        world.limit(which, None).await;
    }
    world.now += DAY_MS;
    world.sweep().await;
    let left = Keyspace::read(&world.redis).names();
    let stays: [&[u8]; 3] = [b"days", b"wake", b"deleted"];
    let known = |name: &Bytes| name.starts_with(b"seen:") || stays.contains(&&name[..]);
    assert!(left.iter().all(known), "left: {left:?}");
}

async fn play(events: &[Event]) {
    let redis = fresh();
    let mut world = World {
        queue: open(&redis),
        redis,
        now: NOW,
        held: Vec::new(),
        keys: BTreeMap::new(),
    };
    for event in events {
        world.perform(*event).await;
        Keyspace::read(&world.redis).check(&world.keys);
    }
    finish(&mut world).await;
}

#[test]
fn whatever_happens_every_job_has_its_place_and_every_list_its_turn() {
    let config = Config {
        cases: 12,
        rng_seed: RngSeed::Fixed(20_260_105),
        failure_persistence: None,
        max_shrink_iters: 100,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let events = prop::collection::vec(any::<Event>(), 60..120);
    let outcome = TestRunner::new(config).run(&events, |events| {
        let played = std::panic::catch_unwind(|| runtime.block_on(play(&events)));
        played.map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            TestCaseError::fail(text.unwrap_or_else(|| "a panic without words".to_owned()))
        })
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, events)) => panic!("{reason}, after {events:?}"),
        Err(error) => panic!("{error}"),
    }
}

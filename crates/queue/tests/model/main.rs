//! Random sequences of everything that can happen to a queue, on a real backend and on the plain list of
//! [`support::model`], compared after every step.
//!
//! What must hold in all of them: no job is lost, none is under two live claims, none runs past its attempts, a key
//! holds while its job lives and after it ended, and every figure is exact. The ends of runs come from the real rule
//! ([`queue::Runner`]), so that the bookkeeping of attempts meets the policy that reads it.
//!
//! The sequences are the same in every run: the seed is written down here. SQLite runs always; Postgres and Redis with the
//! feature `services`.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod operations;
mod scripted;
mod world;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use operations::Operation;
use support::fixture::Fixture;
use world::World;

/// What must come about in the sequences together, or they show less than they should.
const SCENES: [&str; 16] = [
    "a key closed for a time",
    "a line that holds",
    "a start was missed",
    "attempts",
    "behind another",
    "cancelled while it ran",
    "crash after a failure",
    "duplicate of a job that ended",
    "duplicate of a job that lives",
    "finish",
    "imported",
    "lost lease",
    "parked",
    "poison",
    "refused finish",
    "renewed",
];

/// Plays random sequences, each on an empty queue; answers what came about.
fn hold(cases: u32, length: usize, fixture: impl AsyncFn() -> Fixture) -> BTreeSet<&'static str> {
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(20_260_105),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let seen = RefCell::new(BTreeSet::new());
    let outcome = TestRunner::new(config).run(&operations::sequence(length), |sequence| {
        let played = runtime.block_on(AssertUnwindSafe(play(&sequence, &fixture)).catch_unwind());
        seen.borrow_mut()
            .extend(played.map_err(|panic| TestCaseError::fail(message(&*panic)))?);
        Ok(())
    });
    match outcome {
        Ok(()) => seen.into_inner(),
        Err(TestError::Fail(reason, sequence)) => panic!("{reason}, at the end of:\n{}", lines(&sequence)),
        Err(error) => panic!("{error}"),
    }
}

fn lines(sequence: &[Operation]) -> String {
    sequence
        .iter()
        .map(|operation| format!("    {operation:?}\n"))
        .collect()
}

async fn play(sequence: &[Operation], fixture: &impl AsyncFn() -> Fixture) -> BTreeSet<&'static str> {
    let mut world = World::new(fixture().await).await;
    for operation in sequence {
        world.perform(operation).await;
        world.compare().await;
    }
    world.finish().await;
    world.seen
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}

#[test]
fn memory_is_the_list() {
    let seen = hold(200, 120, Fixture::memory);
    assert!(SCENES.iter().all(|scene| seen.contains(scene)), "only saw {seen:?}");
}

#[test]
fn sqlite_is_the_list() {
    let seen = hold(40, 120, Fixture::sqlite);
    assert!(SCENES.iter().all(|scene| seen.contains(scene)), "only saw {seen:?}");
}

#[cfg(feature = "services")]
#[test]
fn postgres_is_the_list() {
    drop(hold(12, 120, Fixture::postgres));
}

#[cfg(feature = "services")]
#[test]
fn redis_is_the_list() {
    drop(hold(16, 120, Fixture::redis));
}

//! What processes tell each other: figures, who is there, and whether the queue answers.

use std::collections::HashMap;

use queue::Queue;
use queue::backend::{Counter, Worker};
use uuid::Uuid;

use crate::support::fixture::Fixture;

fn counter(queue: Queue, kind: &str, name: &str) -> Counter {
    Counter {
        queue,
        kind: kind.into(),
        name: name.into(),
    }
}

pub(crate) async fn counters_add_up_over_calls_and_processes(fixture: &Fixture) {
    let done = counter(Queue::Default, "send_otp", "done");
    let other_kind = counter(Queue::Default, "record_email_event", "done");
    let other_queue = counter(Queue::Bulk, "send_otp", "done");
    let other_name = counter(Queue::Default, "send_otp", "dead");
    let other = fixture.another_handle().await;
    fixture
        .queue
        .count(&[(done.clone(), 2), (other_kind.clone(), 5)])
        .await
        .unwrap();
    other
        .count(&[(done.clone(), 40), (other_queue.clone(), 1), (other_name.clone(), 7)])
        .await
        .unwrap();
    fixture.queue.count(&[(done.clone(), 1_000_000_000_000)]).await.unwrap();
    fixture.queue.count(&[]).await.unwrap();
    let counters: HashMap<_, _> = other.counters().await.unwrap().into_iter().collect();
    let expected = [
        (done, 1_000_000_000_042),
        (other_kind, 5),
        (other_queue, 1),
        (other_name, 7),
    ];
    assert_eq!(counters, HashMap::from(expected));
}

pub(crate) async fn a_counter_that_comes_twice_in_one_call_counts_twice(fixture: &Fixture) {
    let done = counter(Queue::Urgent, "a", "done");
    fixture
        .queue
        .count(&[(done.clone(), 2), (done.clone(), 3)])
        .await
        .unwrap();
    assert_eq!(fixture.queue.counters().await.unwrap(), [(done, 5)]);
}

pub(crate) async fn counters_of_processes_at_once_lose_nothing(fixture: &Fixture) {
    let done = counter(Queue::Default, "a", "done");
    let dead = counter(Queue::Default, "a", "dead");
    let tasks: Vec<_> = futures_util::future::join_all((0..4).map(async |_| fixture.another_handle().await))
        .await
        .into_iter()
        .enumerate()
        .map(|(number, handle)| {
            // Some name them in one order, some in the other, as maps do.
            let mut counts = vec![(done.clone(), 1), (dead.clone(), 2)];
            if number % 2 == 0 {
                counts.reverse();
            }
            tokio::spawn(async move {
                for _ in 0..25 {
                    handle.count(&counts).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let counters: HashMap<_, _> = fixture.queue.counters().await.unwrap().into_iter().collect();
    assert_eq!(counters, HashMap::from([(done, 100), (dead, 200)]));
}

fn worker(number: u128, name: &str, started_at: i64) -> Worker {
    Worker {
        session: Uuid::from_u128(number),
        name: name.into(),
        queues: vec![("urgent".into(), 16), ("default".into(), 32)],
        kinds: vec!["record_email_event".into(), "send_otp".into()],
        started_at,
    }
}

async fn names(fixture: &Fixture) -> Vec<String> {
    let mut names: Vec<_> = fixture
        .queue
        .workers(fixture.now())
        .await
        .unwrap()
        .into_iter()
        .map(|worker| worker.name)
        .collect();
    names.sort_unstable();
    names
}

pub(crate) async fn a_worker_that_announced_itself_is_seen_as_it_said(fixture: &Fixture) {
    let worker = worker(1, "host-1 · 4711", fixture.now());
    fixture
        .another_handle()
        .await
        .announce(&worker, fixture.now() + 1000)
        .await
        .unwrap();
    assert_eq!(fixture.queue.workers(fixture.now()).await.unwrap(), [worker]);
}

pub(crate) async fn a_worker_that_falls_silent_is_not_seen(fixture: &Fixture) {
    let now = fixture.now();
    fixture.queue.announce(&worker(1, "a", now), now + 1000).await.unwrap();
    fixture.queue.announce(&worker(2, "b", now), now + 2000).await.unwrap();
    assert_eq!(names(fixture).await, ["a", "b"]);
    fixture.advance(1001);
    assert_eq!(names(fixture).await, ["b"]);
    fixture.queue.announce(&worker(1, "a", now), now + 5000).await.unwrap();
    fixture.advance(1000);
    assert_eq!(names(fixture).await, ["a"], "announcing again keeps it");
}

pub(crate) async fn a_worker_that_leaves_is_not_seen(fixture: &Fixture) {
    let now = fixture.now();
    fixture
        .queue
        .announce(&worker(1, "a", now), now + 60_000)
        .await
        .unwrap();
    fixture.queue.announce(&worker(1, "a", now), now - 1).await.unwrap();
    assert_eq!(names(fixture).await, Vec::<String>::new());
}

pub(crate) async fn the_last_announcement_counts(fixture: &Fixture) {
    let now = fixture.now();
    fixture
        .queue
        .announce(&worker(1, "before", now), now + 60_000)
        .await
        .unwrap();
    let after = Worker {
        queues: vec![("bulk".into(), 1)],
        ..worker(1, "after", now)
    };
    fixture.queue.announce(&after, now + 60_000).await.unwrap();
    assert_eq!(fixture.queue.workers(now).await.unwrap(), [after]);
}

pub(crate) async fn a_queue_that_works_answers(fixture: &Fixture) {
    fixture.queue.ping().await.unwrap();
    fixture.queue.check().await.unwrap();
    let flights = fixture.queue.flights();
    assert!(flights.adds > 0 && flights.steps > 0);
}

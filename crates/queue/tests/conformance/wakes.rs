//! Who waits for work is told when there is some.
//!
//! Time-outs in here are failure limits. There are rounds because the contract lets the first notification be missed: the
//! listening task may not be connected yet when the work is added.

use std::time::Duration;

use futures_util::FutureExt as _;
use queue::Queue;
use queue::backend::{NewJob, Outcome};
use tokio::time::timeout;

use crate::support::fixture::{FAILURE_LIMIT, Fixture, failed};

/// How long one round waits: longer than a process that did not answer its last call is left alone.
const ROUND: Duration = Duration::from_secs(2);

/// Does something over and over until the one who waits is told. The first round may come before the listener listens.
async fn is_told(wake: &tokio::sync::Notify, mut action: impl AsyncFnMut(usize)) {
    let told = async {
        for round in 0.. {
            action(round).await;
            if timeout(ROUND, wake.notified()).await.is_ok() {
                return;
            }
        }
    };
    timeout(FAILURE_LIMIT, told)
        .await
        .expect("nobody told the one who waits");
}

pub(crate) async fn an_add_by_another_process_wakes_who_waits(fixture: &Fixture) {
    let other = fixture.another_handle().await;
    let wake = fixture.queue.wakes(Queue::Default);
    is_told(&wake, async |round| {
        other
            .add(&[fixture.job(&round.to_string())], fixture.now())
            .await
            .unwrap();
    })
    .await;
}

pub(crate) async fn an_add_by_this_process_wakes_who_waits(fixture: &Fixture) {
    let wake = fixture.queue.wakes(Queue::Default);
    is_told(&wake, async |round| {
        fixture.add_one(&fixture.job(&round.to_string())).await;
    })
    .await;
}

pub(crate) async fn a_wake_up_is_kept_for_who_is_busy(fixture: &Fixture) {
    let other = fixture.another_handle().await;
    let wake = fixture.queue.wakes(Queue::Default);
    is_told(&wake, async |round| {
        other
            .add(&[fixture.job(&round.to_string())], fixture.now())
            .await
            .unwrap();
    })
    .await;
    // The listener listens now. Nobody waits while this add is made and its notification arrives.
    while wake.notified().now_or_never().is_some() {}
    other.add(&[fixture.job("while busy")], fixture.now()).await.unwrap();
    for _ in 0..50 {
        other.counts(Queue::Default).await.unwrap();
    }
    timeout(FAILURE_LIMIT, wake.notified())
        .await
        .expect("the wake-up was lost");
}

pub(crate) async fn every_queue_has_a_wake_up_of_its_own(fixture: &Fixture) {
    for queue in Queue::ALL {
        let wake = fixture.queue.wakes(queue);
        is_told(&wake, async |round| {
            fixture.add_one(&fixture.job_in(queue, &round.to_string())).await;
        })
        .await;
    }
}

pub(crate) async fn two_who_wait_in_two_processes_are_both_told_in_time(fixture: &Fixture) {
    let (first, second) = (fixture.another_handle().await, fixture.another_handle().await);
    // One token may wake one worker only: the other is told when there is more.
    for handle in [first, second] {
        let wake = handle.wakes(Queue::Bulk);
        is_told(&wake, async |round| {
            let key = format!("{round} {:p}", std::sync::Arc::as_ptr(&wake));
            fixture.add_one(&fixture.job_in(Queue::Bulk, &key)).await;
        })
        .await;
    }
}

pub(crate) async fn a_new_due_time_is_made_known(fixture: &Fixture) {
    let other = fixture.another_handle().await;
    let wake = fixture.queue.wakes(Queue::Default);
    is_told(&wake, async |round| {
        let job = NewJob {
            run_at: fixture.now() + 5000,
            ..fixture.job(&round.to_string())
        };
        other.add(&[job], fixture.now()).await.unwrap();
    })
    .await;
}

pub(crate) async fn a_release_wakes_who_waits(fixture: &Fixture) {
    let wake = fixture.queue.wakes(Queue::Default);
    fixture.add_one(&fixture.job("a")).await;
    is_told(&wake, async |_| {
        let claimed = fixture.claim_one().await;
        while wake.notified().now_or_never().is_some() {}
        fixture.settle(&claimed, Outcome::Release).await;
    })
    .await;
}

pub(crate) async fn a_promotion_wakes_who_waits(fixture: &Fixture) {
    let wake = fixture.queue.wakes(Queue::Default);
    fixture.add_one(&fixture.job("a")).await;
    is_told(&wake, async |_| {
        let claimed = fixture.claim_one().await;
        fixture.settle(&claimed, failed(fixture.now() + 10, "no")).await;
        while wake.notified().now_or_never().is_some() {}
        fixture.advance(10);
        fixture.sweep().await;
    })
    .await;
}

pub(crate) async fn an_opened_gate_wakes_who_waits(fixture: &Fixture) {
    let wake = fixture.queue.wakes(Queue::Default);
    fixture.add_one(&fixture.job("a")).await;
    is_told(&wake, async |_| {
        let claimed = fixture.claim_one().await;
        fixture.settle(&claimed, Outcome::Park { gate: "kind:x".into() }).await;
        while wake.notified().now_or_never().is_some() {}
        fixture
            .queue
            .unpark(Queue::Default, &["kind:x".into()], fixture.now())
            .await
            .unwrap();
    })
    .await;
}

pub(crate) async fn a_retried_dead_letter_wakes_who_waits(fixture: &Fixture) {
    let wake = fixture.queue.wakes(Queue::Default);
    is_told(&wake, async |round| {
        let dead = fixture.dead(&round.to_string()).await;
        while wake.notified().now_or_never().is_some() {}
        fixture.queue.retry_dead(dead, None, fixture.now()).await.unwrap();
        fixture.claim(10).await;
    })
    .await;
}

pub(crate) async fn the_end_of_a_pause_wakes_who_waits(fixture: &Fixture) {
    let wake = fixture.queue.wakes(Queue::Default);
    fixture.add_one(&fixture.job("a")).await;
    is_told(&wake, async |_| {
        fixture.pause(Queue::Default, true).await;
        while wake.notified().now_or_never().is_some() {}
        fixture.pause(Queue::Default, false).await;
    })
    .await;
}

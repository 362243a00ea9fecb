//! What a cancel promises.

use queue::Queue;
use queue::backend::{Added, CRASHES_MAX, Cancelled, Counts, Outcome, Reason, State};
use queue::clock::DAY_MS;

use crate::support::fixture::{Fixture, LEASE_MS, failed, put_off};

async fn cancel(fixture: &Fixture, id: queue::JobId) -> Cancelled {
    fixture.queue.cancel(id, fixture.now()).await.unwrap()
}

async fn is_cancelled_for_good(fixture: &Fixture, key: &str) {
    let job = fixture.job(key);
    assert_eq!(cancel(fixture, job.id).await, Cancelled::Removed);
    assert!(fixture.find(job.id).await.is_none());
    assert_eq!(fixture.counts().await, Counts::default());
    assert!(fixture.queue.ended(job.id).await.unwrap());
    assert_eq!(fixture.add_one(&job).await, Added::Duplicate, "its key stays known");
    assert_eq!(cancel(fixture, job.id).await, Cancelled::Unknown);
    fixture.advance(DAY_MS);
    fixture.sweep().await;
    for lane in 0..3 {
        assert!(fixture.claim_from(lane, 10).await.is_empty(), "it never starts");
    }
}

pub(crate) async fn a_waiting_job_that_is_cancelled_never_starts(fixture: &Fixture) {
    fixture.add_one(&fixture.job("a")).await;
    is_cancelled_for_good(fixture, "a").await;
}

pub(crate) async fn a_scheduled_job_that_is_cancelled_never_starts(fixture: &Fixture) {
    fixture.add_one(&fixture.job_at(fixture.now() + 1000, "a")).await;
    is_cancelled_for_good(fixture, "a").await;
}

pub(crate) async fn a_retried_job_that_is_cancelled_never_starts(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, failed(fixture.now() + 1000, "no")).await;
    is_cancelled_for_good(fixture, "a").await;
}

pub(crate) async fn a_parked_job_that_is_cancelled_never_starts(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, Outcome::Park { gate: "kind:x".into() }).await;
    is_cancelled_for_good(fixture, "a").await;
    assert_eq!(
        fixture
            .queue
            .unpark(Queue::Default, &["kind:x".into()], fixture.now())
            .await
            .unwrap(),
        0
    );
    assert!(fixture.claim(10).await.is_empty());
}

pub(crate) async fn a_crashed_job_that_is_cancelled_never_starts(fixture: &Fixture) {
    fixture.running("a").await;
    fixture.crash().await;
    is_cancelled_for_good(fixture, "a").await;
}

pub(crate) async fn a_cancelled_job_leaves_its_neighbours_alone(fixture: &Fixture) {
    let jobs = fixture.jobs(20, "a");
    fixture.add(&jobs).await;
    for job in jobs.iter().step_by(3) {
        assert_eq!(cancel(fixture, job.id).await, Cancelled::Removed);
    }
    assert_eq!(fixture.counts().await.ready, 13);
    let mut claimed: Vec<_> = fixture.claim(20).await.iter().map(|job| job.id).collect();
    let mut left: Vec<_> = jobs
        .iter()
        .enumerate()
        .filter(|(place, _)| place % 3 != 0)
        .map(|(_, job)| job.id)
        .collect();
    claimed.sort_unstable();
    left.sort_unstable();
    assert_eq!(claimed, left);
    assert_eq!(
        fixture.counts().await,
        Counts {
            running: 13,
            ..Counts::default()
        }
    );
}

pub(crate) async fn when_all_that_wait_are_cancelled_nothing_is_claimed(fixture: &Fixture) {
    let jobs = fixture.jobs(10, "a");
    fixture.add(&jobs).await;
    for job in &jobs {
        cancel(fixture, job.id).await;
    }
    fixture
        .add_one(&fixture.job_of(crate::support::fixture::OTHER_TENANT, "b"))
        .await;
    assert_eq!(fixture.claim(10).await.len(), 1);
    assert!(fixture.claim(10).await.is_empty());
}

pub(crate) async fn a_running_job_is_marked_for_its_worker(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    let other = fixture.running("b").await;
    let running = [claimed.id, other.id];
    assert!(
        fixture
            .queue
            .cancelled(Queue::Default, &running)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(cancel(fixture, claimed.id).await, Cancelled::Signalled);
    let worker = fixture.another_handle().await;
    assert_eq!(worker.cancelled(Queue::Default, &running).await.unwrap(), [claimed.id]);
    assert!(worker.cancelled(Queue::Default, &[other.id]).await.unwrap().is_empty());
    assert!(worker.cancelled(Queue::Default, &[]).await.unwrap().is_empty());
    assert!(
        matches!(fixture.kept(claimed.id).await.state, State::Running { .. }),
        "until its worker stops it"
    );
    assert_eq!(
        cancel(fixture, claimed.id).await,
        Cancelled::Signalled,
        "again, while it still runs"
    );
    assert!(
        fixture
            .settle(
                &claimed,
                Outcome::Dead {
                    reason: Reason::Cancelled,
                    error: None
                }
            )
            .await
    );
    assert!(matches!(
        fixture.kept(claimed.id).await.state,
        State::Dead {
            reason: Reason::Cancelled,
            ..
        }
    ));
}

pub(crate) async fn a_running_job_may_end_before_it_sees_the_cancel(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    cancel(fixture, claimed.id).await;
    assert!(fixture.settle(&claimed, Outcome::Done).await);
    assert!(fixture.find(claimed.id).await.is_none());
}

pub(crate) async fn a_cancel_does_not_reach_the_namesake_of_a_later_time(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    cancel(fixture, claimed.id).await;
    fixture.settle(&claimed, Outcome::Done).await;
    fixture.advance(12 * DAY_MS);
    fixture.purge(0).await;
    let namesake = fixture.running("a").await;
    assert!(
        fixture
            .queue
            .cancelled(Queue::Default, &[namesake.id])
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn a_cancel_does_not_reach_the_retry_of_a_dead_letter(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    cancel(fixture, claimed.id).await;
    fixture
        .settle(
            &claimed,
            Outcome::Dead {
                reason: Reason::Cancelled,
                error: None,
            },
        )
        .await;
    assert!(fixture.queue.retry_dead(claimed.id, None, fixture.now()).await.unwrap());
    let again = fixture.claim_one().await;
    assert!(
        fixture
            .queue
            .cancelled(Queue::Default, &[again.id])
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn what_does_not_live_cannot_be_cancelled(fixture: &Fixture) {
    assert_eq!(cancel(fixture, fixture.job("nobody").id).await, Cancelled::Unknown);
    let done = fixture.running("done").await;
    fixture.settle(&done, Outcome::Done).await;
    assert_eq!(cancel(fixture, done.id).await, Cancelled::Unknown);
    let dead = fixture.dead("dead").await;
    assert_eq!(cancel(fixture, dead).await, Cancelled::Unknown);
    assert_eq!(
        fixture.counts().await.dead,
        1,
        "a dead letter is deleted, not cancelled"
    );
}

pub(crate) async fn a_job_of_any_queue_is_cancelled_by_its_id_alone(fixture: &Fixture) {
    for queue in Queue::ALL {
        let job = fixture.job_in(queue, "a");
        fixture.add_one(&job).await;
        assert_eq!(cancel(fixture, job.id).await, Cancelled::Removed);
        assert_eq!(fixture.queue.counts(queue).await.unwrap(), Counts::default());
    }
}

pub(crate) async fn a_job_under_an_ended_lease_is_still_its_workers_to_stop(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.advance(LEASE_MS + 1);
    assert_eq!(cancel(fixture, claimed.id).await, Cancelled::Signalled);
    assert_eq!(
        fixture.queue.cancelled(Queue::Default, &[claimed.id]).await.unwrap(),
        [claimed.id]
    );
}

/// Dead with reason `cancelled`, and never again with a worker.
async fn is_buried(fixture: &Fixture, claimed: &queue::backend::Claimed) {
    let state = fixture.kept(claimed.id).await.state;
    let reason = Reason::Cancelled;
    assert!(
        matches!(state, State::Dead { reason: why, .. } if why == reason),
        "{state:?}"
    );
    fixture
        .queue
        .unpark(Queue::Default, &["kind:x".into()], fixture.now())
        .await
        .unwrap();
    fixture.advance(10 * LEASE_MS);
    fixture.sweep().await;
    for lane in 0..CRASHES_MAX {
        assert!(fixture.claim_from(lane, 10).await.is_empty());
    }
    let counts = fixture.queue.counts(Queue::Default).await.unwrap();
    assert_eq!(
        (counts.ready, counts.scheduled, counts.running, counts.parked),
        (0, 0, 0, 0)
    );
}

pub(crate) async fn a_cancelled_run_that_would_go_on_is_dead_instead(fixture: &Fixture) {
    let run_at = fixture.now();
    let outcomes = [
        Outcome::Release,
        put_off(run_at),
        failed(run_at, "no"),
        Outcome::Park { gate: "kind:x".into() },
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let claimed = fixture.running(&number.to_string()).await;
        cancel(fixture, claimed.id).await;
        assert!(fixture.settle(&claimed, outcome).await);
        is_buried(fixture, &claimed).await;
    }
}

pub(crate) async fn a_cancelled_run_leaves_its_neighbours_alone(fixture: &Fixture) {
    let run_at = fixture.now();
    for key in ["a", "b", "c"] {
        fixture.add_one(&fixture.job(key)).await;
    }
    let claimed = fixture.claim(10).await;
    cancel(fixture, claimed[1].id).await;
    assert_eq!(fixture.settle_all(&claimed, failed(run_at, "no")).await, [true; 3]);
    is_dead_alone(fixture, &claimed).await;
}

pub(crate) async fn a_cancelled_run_that_crashes_leaves_its_neighbours_alone(fixture: &Fixture) {
    for key in ["a", "b", "c"] {
        fixture.add_one(&fixture.job(key)).await;
    }
    let claimed = fixture.claim(10).await;
    cancel(fixture, claimed[1].id).await;
    fixture.crash().await;
    is_dead_alone(fixture, &claimed).await;
}

/// The second of three was cancelled, the others go on.
async fn is_dead_alone(fixture: &Fixture, claimed: &[queue::backend::Claimed]) {
    assert!(matches!(fixture.kept(claimed[1].id).await.state, State::Dead { .. }));
    for claimed in [&claimed[0], &claimed[2]] {
        let state = fixture.kept(claimed.id).await.state;
        assert!(matches!(state, State::Scheduled { .. } | State::Ready), "{state:?}");
    }
}

pub(crate) async fn a_cancelled_run_that_crashes_is_dead_instead(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    cancel(fixture, claimed.id).await;
    let swept = fixture.crash().await;
    assert_eq!((swept.rescued, swept.poisoned), (0, 0));
    is_buried(fixture, &claimed).await;
    assert!(fixture.kept(claimed.id).await.errors.is_empty());
}

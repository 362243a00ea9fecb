//! How long a unique key is known.

use queue::backend::{Added, Cancelled, Outcome, Reason};
use queue::clock::DAY_MS;

use crate::support::fixture::{Fixture, LEASE_MS, failed};

/// The key is a duplicate for full seven days from now, in spite of purges, and is new again some days later.
async fn is_known_for_seven_days_from_now(fixture: &Fixture, key: &str) {
    let job = fixture.job(key);
    for _ in 0..14 {
        assert!(fixture.queue.ended(job.id).await.unwrap());
        fixture.advance(DAY_MS / 2);
        fixture.purge(0).await;
        assert_eq!(fixture.add_one(&job).await, Added::Duplicate);
    }
    fixture.advance(3 * DAY_MS);
    fixture.purge(0).await;
    assert!(!fixture.queue.ended(job.id).await.unwrap(), "forgotten");
    assert_eq!(fixture.add_one(&job).await, Added::New);
    assert_eq!(fixture.claim_one().await.id, job.id);
}

pub(crate) async fn the_key_of_a_done_job_is_known_for_seven_days(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, Outcome::Done).await;
    is_known_for_seven_days_from_now(fixture, "a").await;
}

pub(crate) async fn a_key_that_ended_just_before_midnight_is_known_for_seven_days(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.advance(DAY_MS / 2 - 1);
    assert!(fixture.settle(&claimed, Outcome::Done).await);
    is_known_for_seven_days_from_now(fixture, "a").await;
}

pub(crate) async fn the_seven_days_begin_when_a_scheduled_job_ends(fixture: &Fixture) {
    fixture.add_one(&fixture.job_at(fixture.now() + 30 * DAY_MS, "a")).await;
    fixture.advance(30 * DAY_MS);
    fixture.purge(0).await;
    fixture.sweep().await;
    let claimed = fixture.claim_one().await;
    fixture.settle(&claimed, Outcome::Done).await;
    is_known_for_seven_days_from_now(fixture, "a").await;
}

pub(crate) async fn the_seven_days_begin_when_a_retried_job_ends(fixture: &Fixture) {
    let mut claimed = fixture.running("a").await;
    for day in 0..20 {
        fixture
            .settle(&claimed, failed(fixture.now() + DAY_MS, &format!("day {day}")))
            .await;
        fixture.advance(DAY_MS);
        fixture.sweep().await;
        fixture.purge(0).await;
        claimed = fixture.claim_one().await;
    }
    fixture.settle(&claimed, Outcome::Done).await;
    is_known_for_seven_days_from_now(fixture, "a").await;
}

pub(crate) async fn the_seven_days_begin_when_a_parked_job_ends(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, Outcome::Park { gate: "kind:x".into() }).await;
    fixture.advance(15 * DAY_MS);
    fixture.purge(0).await;
    fixture
        .queue
        .unpark(claimed.queue, &["kind:x".into()], fixture.now())
        .await
        .unwrap();
    let claimed = fixture.claim_one().await;
    fixture.settle(&claimed, Outcome::Done).await;
    is_known_for_seven_days_from_now(fixture, "a").await;
}

pub(crate) async fn the_seven_days_begin_when_a_waiting_job_is_cancelled(fixture: &Fixture) {
    fixture.add_one(&fixture.job("a")).await;
    fixture.advance(15 * DAY_MS);
    let cancelled = fixture.queue.cancel(fixture.job("a").id, fixture.now()).await.unwrap();
    assert_eq!(cancelled, Cancelled::Removed);
    is_known_for_seven_days_from_now(fixture, "a").await;
}

pub(crate) async fn the_seven_days_begin_when_a_retried_dead_letter_ends(fixture: &Fixture) {
    let dead = fixture.dead("a").await;
    fixture.advance(25 * DAY_MS);
    fixture.purge(0).await;
    fixture.queue.retry_dead(dead, None, fixture.now()).await.unwrap();
    let claimed = fixture.claim_one().await;
    assert!(fixture.settle(&claimed, Outcome::Done).await);
    is_known_for_seven_days_from_now(fixture, "a").await;
}

pub(crate) async fn a_job_that_lives_is_known_for_ever(fixture: &Fixture) {
    fixture.running("running").await;
    let parked = fixture.running("parked").await;
    fixture.settle(&parked, Outcome::Park { gate: "kind:x".into() }).await;
    fixture
        .add(&[
            fixture.job("ready"),
            fixture.job_at(fixture.now() + 99 * DAY_MS, "scheduled"),
        ])
        .await;
    let running = fixture.claim(10).await;
    for job in &running {
        fixture
            .queue
            .renew(job.queue, &[job.ticket.claim], fixture.now() + 60 * DAY_MS)
            .await
            .unwrap();
    }
    fixture.advance(40 * DAY_MS);
    fixture.purge(0).await;
    for key in ["running", "parked", "ready", "scheduled"] {
        assert_eq!(fixture.add_one(&fixture.job(key)).await, Added::Duplicate, "{key}");
    }
}

pub(crate) async fn a_dead_letter_is_known_for_seven_days_from_its_death(fixture: &Fixture) {
    fixture.add_one(&fixture.job("a")).await;
    fixture.advance(10 * DAY_MS);
    let claimed = fixture.claim_one().await;
    fixture
        .settle(
            &claimed,
            Outcome::Dead {
                reason: Reason::Refused,
                error: None,
            },
        )
        .await;
    for _ in 0..7 {
        fixture.advance(DAY_MS);
        fixture.purge(0).await;
        assert_eq!(fixture.add_one(&fixture.job("a")).await, Added::Duplicate);
    }
}

/// Whether the key of an old dead letter is known is the backend's choice; that one id never means two jobs is not.
pub(crate) async fn an_old_dead_letter_and_its_namesake_are_never_both_alive(fixture: &Fixture) {
    let dead = fixture.dead("a").await;
    fixture.advance(30 * DAY_MS);
    fixture.purge(0).await;
    fixture.add_one(&fixture.job("a")).await;
    fixture.queue.retry_dead(dead, None, fixture.now()).await.unwrap();
    let claimed = fixture.claim_one().await;
    assert_eq!(claimed.id, dead);
    let outcome = Outcome::Dead {
        reason: Reason::Expired,
        error: None,
    };
    assert!(
        fixture.settle(&claimed, outcome).await,
        "it may die under its old letter"
    );
    fixture.queue.retry_dead(dead, None, fixture.now()).await.unwrap();
    let claimed = fixture.claim_one().await;
    assert!(fixture.settle(&claimed, Outcome::Done).await);
    assert!(fixture.claim(10).await.is_empty());
}

pub(crate) async fn poison_is_known_for_seven_days_from_its_death(fixture: &Fixture) {
    fixture.running("a").await;
    for lane in 1..=2 {
        fixture.crash().await;
        fixture.advance(6 * DAY_MS);
        fixture.claim_one_from(lane).await;
    }
    fixture.advance(LEASE_MS + 1);
    assert_eq!(fixture.sweep().await.poisoned, 1);
    for _ in 0..7 {
        fixture.advance(DAY_MS);
        fixture.purge(0).await;
        assert_eq!(fixture.add_one(&fixture.job("a")).await, Added::Duplicate);
    }
}

pub(crate) async fn keys_are_forgotten_by_the_thousand(fixture: &Fixture) {
    let jobs = fixture.jobs(1000, "a");
    fixture.add(&jobs).await;
    let claimed = fixture.claim(1000).await;
    fixture.settle_all(&claimed, Outcome::Done).await;
    fixture.advance(12 * DAY_MS);
    fixture.purge(0).await;
    assert_eq!(fixture.add(&jobs).await, vec![Added::New; 1000]);
}

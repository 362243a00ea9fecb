//! How long ready jobs wait, as far as somebody looks.

use queue::Queue;
use queue::backend::{Mark, Outcome, StillReady};

use crate::support::fixture::{Fixture, OTHER_TENANT, at_once, failed};

async fn look(fixture: &Fixture, marks: &[Mark], dice: f64) -> StillReady {
    fixture.queue.still_ready(Queue::Default, marks, dice).await.unwrap()
}

async fn mark(fixture: &Fixture) -> Mark {
    look(fixture, &[], 0.5).await.fresh.unwrap()
}

pub(crate) async fn a_job_waits_from_the_look_that_found_it_ready_until_it_is_claimed(fixture: &Fixture) {
    assert_eq!(look(fixture, &[], 0.5).await, StillReady::default());
    fixture.add(&fixture.jobs(3, "a")).await;
    let mark = mark(fixture).await;
    // The marked one is behind the others.
    fixture.claim(1).await;
    assert_eq!(
        look(fixture, std::slice::from_ref(&mark), 0.5).await.still,
        std::slice::from_ref(&mark)
    );
    let of_another_queue = fixture
        .queue
        .still_ready(Queue::Bulk, std::slice::from_ref(&mark), 0.5)
        .await;
    assert_eq!(of_another_queue.unwrap(), StillReady::default());
    fixture.claim(10).await;
    assert_eq!(look(fixture, &[mark], 0.5).await, StillReady::default());
}

pub(crate) async fn a_job_that_ran_and_may_start_again_has_not_waited_all_the_time(fixture: &Fixture) {
    fixture.add_one(&fixture.job("a")).await;
    let before = mark(fixture).await;
    let claimed = fixture.claim_one().await;
    fixture.settle(&claimed, failed(fixture.now() + 1000, "no")).await;
    fixture.advance(1000);
    fixture.sweep().await;
    let after = look(fixture, std::slice::from_ref(&before), 0.5).await;
    assert_eq!(after.still, []);
    assert!(after.fresh.is_some_and(|mark| mark != before));
}

pub(crate) async fn a_job_under_a_closed_limit_key_waits_for_that_and_for_no_worker(fixture: &Fixture) {
    fixture.set_limit("one", at_once(1)).await;
    fixture
        .add(&[fixture.limited("one", "a"), fixture.limited("one", "b")])
        .await;
    let open = mark(fixture).await;
    let first = fixture.claim(10).await.remove(0);
    assert_eq!(look(fixture, &[open], 0.5).await, StillReady::default());
    fixture.settle(&first, Outcome::Done).await;
    // Whether a key is open is found out by whoever claims, at the latest.
    assert_eq!(fixture.claim(10).await.len(), 1);
}

pub(crate) async fn dice_find_the_jobs_of_every_tenant_and_key(fixture: &Fixture) {
    fixture
        .add(&[
            fixture.job("a"),
            fixture.job_of(OTHER_TENANT, "b"),
            fixture.limited("key", "c"),
        ])
        .await;
    let mut marks = Vec::new();
    for dice in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
        let fresh = look(fixture, &[], dice).await.fresh.unwrap();
        if !marks.contains(&fresh) {
            marks.push(fresh);
        }
    }
    assert_eq!(marks.len(), 3);
    assert_eq!(look(fixture, &marks, 0.5).await.still, marks);
}

pub(crate) async fn a_job_whose_worker_crashed_waits_too(fixture: &Fixture) {
    fixture.running("a").await;
    fixture.crash().await;
    let crashed = mark(fixture).await;
    let alone = std::slice::from_ref(&crashed);
    assert_eq!(look(fixture, alone, 0.5).await.still, alone);
    fixture.add_one(&fixture.job("b")).await;
    let other = mark(fixture).await;
    assert_ne!(other, crashed);
    let both = [crashed, other];
    assert_eq!(look(fixture, &both, 0.5).await.still, both);
}

pub(crate) async fn marks_of_elsewhere_and_of_what_has_ended_are_of_no_job(fixture: &Fixture) {
    fixture.add_one(&fixture.job("a")).await;
    let ended = mark(fixture).await;
    let claimed = fixture.claim_one().await;
    fixture.settle(&claimed, Outcome::Done).await;
    let marks = [
        ended,
        Mark("x".into()),
        Mark(String::new()),
        Mark("00".repeat(19)),
        Mark("7".into()),
    ];
    assert_eq!(look(fixture, &marks, 0.5).await, StillReady::default());
}

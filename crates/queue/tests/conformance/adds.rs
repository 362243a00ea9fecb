//! What an add promises.

use std::collections::BTreeSet;

use queue::Queue;
use queue::backend::{Added, BATCH_MAX, NewJob, Outcome, Reason, State};

use crate::support::fixture::{Fixture, LEASE_MS, OTHER_TENANT, failed};

pub(crate) async fn a_new_job_is_kept_as_it_was_given(fixture: &Fixture) {
    let job = fixture.job("a");
    assert_eq!(fixture.add_one(&job).await, Added::New);
    let kept = fixture.kept(job.id).await;
    assert_eq!((kept.id, kept.queue, kept.tenant), (job.id, job.queue, job.tenant));
    assert_eq!((kept.attempts, kept.crashes, kept.state), (0, 0, State::Ready));
    assert_eq!((kept.body, kept.errors), (job.body, Vec::new()));
}

pub(crate) async fn an_empty_add_answers_with_nothing(fixture: &Fixture) {
    assert_eq!(fixture.add(&[]).await, []);
}

/// A second add of the id answers "duplicate" and changes nothing, whatever it carries.
async fn is_a_duplicate(fixture: &Fixture, job: &NewJob) {
    let before = fixture.counts().await;
    let kept = fixture.find(job.id).await;
    let again = NewJob {
        body: fixture.body("something else"),
        ..job.clone()
    };
    assert_eq!(fixture.add_one(&again).await, Added::Duplicate);
    assert_eq!(fixture.counts().await, before);
    let after = fixture.find(job.id).await;
    assert_eq!(
        after.map(|kept| (kept.state, kept.body)),
        kept.map(|kept| (kept.state, kept.body))
    );
}

pub(crate) async fn a_job_that_waits_has_no_duplicate(fixture: &Fixture) {
    let job = fixture.job("a");
    fixture.add_one(&job).await;
    is_a_duplicate(fixture, &job).await;
}

pub(crate) async fn a_scheduled_job_has_no_duplicate(fixture: &Fixture) {
    let job = fixture.job_at(fixture.now() + 1000, "a");
    fixture.add_one(&job).await;
    is_a_duplicate(fixture, &job).await;
    is_a_duplicate(
        fixture,
        &NewJob {
            run_at: fixture.now(),
            ..job
        },
    )
    .await;
}

pub(crate) async fn a_running_job_has_no_duplicate(fixture: &Fixture) {
    let job = fixture.job("a");
    fixture.running("a").await;
    is_a_duplicate(fixture, &job).await;
}

pub(crate) async fn a_job_that_will_be_retried_has_no_duplicate(fixture: &Fixture) {
    let job = fixture.job("a");
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, failed(fixture.now() + 1000, "no")).await;
    is_a_duplicate(fixture, &job).await;
    fixture.advance(1000);
    fixture.sweep().await;
    is_a_duplicate(fixture, &job).await;
}

pub(crate) async fn a_crashed_job_has_no_duplicate(fixture: &Fixture) {
    let job = fixture.job("a");
    fixture.running("a").await;
    fixture.advance(LEASE_MS + 1);
    is_a_duplicate(fixture, &job).await;
    fixture.sweep().await;
    is_a_duplicate(fixture, &job).await;
    fixture.crash().await;
    is_a_duplicate(fixture, &job).await;
}

pub(crate) async fn a_parked_job_has_no_duplicate(fixture: &Fixture) {
    let job = fixture.job("a");
    let claimed = fixture.running("a").await;
    fixture
        .settle(
            &claimed,
            Outcome::Park {
                gate: "kind:test".into(),
            },
        )
        .await;
    is_a_duplicate(fixture, &job).await;
}

pub(crate) async fn a_dead_letter_has_no_duplicate(fixture: &Fixture) {
    let job = fixture.job("a");
    fixture.dead("a").await;
    is_a_duplicate(fixture, &job).await;
}

pub(crate) async fn a_job_that_ended_has_no_duplicate(fixture: &Fixture) {
    let job = fixture.job("a");
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, Outcome::Done).await;
    is_a_duplicate(fixture, &job).await;
    assert_eq!(fixture.claim(10).await.len(), 0);
}

pub(crate) async fn an_id_that_comes_twice_in_one_call_is_kept_once(fixture: &Fixture) {
    let (a, b) = (fixture.job("a"), fixture.job("b"));
    let added = fixture
        .add(&[a.clone(), b.clone(), a.clone(), a.clone(), b.clone()])
        .await;
    assert_eq!(added.iter().filter(|added| **added == Added::New).count(), 2);
    assert_eq!(added[0], Added::New, "the first of its kind is the one that is kept");
    assert_eq!(added[1], Added::New);
    assert_eq!(fixture.counts().await.ready, 2);
    assert_eq!(fixture.claim(10).await.len(), 2);
}

pub(crate) async fn an_id_that_comes_twice_in_one_call_for_two_times_is_kept_once(fixture: &Fixture) {
    let (now, later) = (fixture.job("a"), fixture.job_at(fixture.now() + 5, "a"));
    assert_eq!(fixture.add(&[now, later]).await, [Added::New, Added::Duplicate]);
    let counts = fixture.counts().await;
    assert_eq!((counts.ready, counts.scheduled), (1, 0));
}

pub(crate) async fn answers_come_in_the_order_of_the_jobs(fixture: &Fixture) {
    let known: Vec<_> = fixture.jobs(20, "known");
    fixture.add(&known).await;
    let mut jobs = Vec::new();
    for (number, known) in known.iter().enumerate() {
        let tenant = if number % 3 == 0 { OTHER_TENANT } else { known.tenant };
        let run_at = fixture.now() + if number % 2 == 0 { 0 } else { 500 };
        jobs.push(NewJob {
            run_at,
            ..fixture.job_of(tenant, &format!("new {number}"))
        });
        jobs.push(known.clone());
    }
    let expected: Vec<_> = (0..40)
        .map(|place| if place % 2 == 0 { Added::New } else { Added::Duplicate })
        .collect();
    assert_eq!(fixture.add(&jobs).await, expected);
}

pub(crate) async fn one_call_keeps_a_thousand_jobs(fixture: &Fixture) {
    let jobs = fixture.jobs(BATCH_MAX, "many");
    assert_eq!(fixture.add(&jobs).await, vec![Added::New; BATCH_MAX]);
    assert_eq!(fixture.add(&jobs).await, vec![Added::Duplicate; BATCH_MAX]);
    assert_eq!(fixture.counts().await.ready, BATCH_MAX as u64);
    let claimed: BTreeSet<_> = fixture
        .claim(BATCH_MAX)
        .await
        .into_iter()
        .map(|claimed| claimed.id)
        .collect();
    assert_eq!(claimed, jobs.iter().map(|job| job.id).collect());
}

pub(crate) async fn one_call_keeps_jobs_of_every_queue_and_time(fixture: &Fixture) {
    let later = |queue| NewJob {
        run_at: fixture.now() + 1000,
        ..fixture.job_in(queue, "later")
    };
    let jobs: Vec<_> = Queue::ALL
        .into_iter()
        .flat_map(|queue| [fixture.job_in(queue, "now"), later(queue)])
        .collect();
    assert_eq!(fixture.add(&jobs).await, vec![Added::New; 6]);
    for queue in Queue::ALL {
        let counts = fixture.queue.counts(queue).await.unwrap();
        assert_eq!((counts.ready, counts.scheduled), (1, 1), "{queue}");
    }
}

pub(crate) async fn a_time_in_the_past_means_now(fixture: &Fixture) {
    fixture.add_one(&fixture.job_at(0, "a")).await;
    fixture.add_one(&fixture.job_at(fixture.now() - 1, "b")).await;
    assert_eq!(fixture.claim(10).await.len(), 2);
}

pub(crate) async fn bodies_are_any_bytes(fixture: &Fixture) {
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let large: Vec<u8> = every_byte.iter().copied().cycle().take(300_000).collect();
    for (key, body) in [
        ("bytes", every_byte),
        ("large", large),
        ("short", vec![0]),
        ("empty", Vec::new()),
    ] {
        let job = NewJob {
            body: body.clone(),
            ..fixture.job(key)
        };
        fixture.add_one(&job).await;
        assert!(fixture.kept(job.id).await.body == body, "{key}: kept as given");
        let claimed = fixture.claim_one().await;
        assert!(claimed.body == body, "{key}: claimed as given");
        fixture.settle(&claimed, failed(fixture.now(), "again")).await;
        fixture.sweep().await;
        let claimed = fixture.claim_one().await;
        assert!(claimed.body == body, "{key}: retried as given");
        fixture
            .settle(
                &claimed,
                Outcome::Dead {
                    reason: Reason::Unreadable,
                    error: None,
                },
            )
            .await;
        assert!(fixture.kept(job.id).await.body == body, "{key}: dead as given");
    }
}

pub(crate) async fn the_installations_own_jobs_have_the_nil_tenant(fixture: &Fixture) {
    fixture.add_one(&fixture.job_of(uuid::Uuid::nil(), "own")).await;
    assert_eq!(fixture.claim_one().await.tenant, uuid::Uuid::nil());
}

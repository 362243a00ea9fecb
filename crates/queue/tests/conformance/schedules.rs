//! What waits for its time, and what waits behind a gate.

use std::collections::BTreeSet;

use queue::Queue;
use queue::backend::{Counts, NewJob, Outcome, State, Sweep};
use queue::clock::DAY_MS;

use crate::support::fixture::{Fixture, failed};

pub(crate) async fn a_scheduled_job_is_due_to_the_millisecond(fixture: &Fixture) {
    let run_at = fixture.now() + 60_000;
    let job = fixture.job_at(run_at, "a");
    fixture.add_one(&job).await;
    assert_eq!(fixture.kept(job.id).await.state, State::Scheduled { run_at });
    fixture.advance(59_999);
    assert_eq!(fixture.sweep().await.promoted, 0);
    assert!(fixture.claim(10).await.is_empty());
    fixture.advance(1);
    assert_eq!(fixture.sweep().await.promoted, 1);
    assert_eq!(fixture.kept(job.id).await.state, State::Ready);
    assert_eq!(fixture.claim_one().await.id, job.id);
}

pub(crate) async fn a_sweep_of_nothing_does_nothing(fixture: &Fixture) {
    fixture.add_one(&fixture.job("ready")).await;
    assert_eq!(fixture.sweep().await, Sweep::default());
}

pub(crate) async fn a_sweep_says_when_the_next_job_is_due(fixture: &Fixture) {
    let now = fixture.now();
    fixture
        .add(&[fixture.job_at(now + 3000, "c"), fixture.job_at(now + 1000, "a")])
        .await;
    assert_eq!(fixture.sweep().await.next_due, Some(now + 1000));
    fixture.advance(1000);
    assert_eq!(fixture.sweep().await.next_due, Some(now + 3000));
    fixture.advance(2000);
    assert_eq!(fixture.sweep().await.next_due, None);
}

pub(crate) async fn a_job_months_away_is_kept(fixture: &Fixture) {
    let run_at = fixture.now() + 200 * DAY_MS;
    let job = fixture.job_at(run_at, "a");
    fixture.add_one(&job).await;
    for _ in 0..20 {
        fixture.advance(10 * DAY_MS);
        assert!(fixture.claim(10).await.is_empty() || fixture.now() >= run_at);
        fixture.purge(0).await;
    }
    fixture.sweep().await;
    assert!(matches!(
        fixture.kept(job.id).await.state,
        State::Running { .. } | State::Ready
    ));
}

pub(crate) async fn thousands_come_due_at_once(fixture: &Fixture) {
    let run_at = fixture.now() + 10;
    let jobs: Vec<_> = fixture
        .jobs(2500, "a")
        .into_iter()
        .map(|job| NewJob { run_at, ..job })
        .collect();
    for jobs in jobs.chunks(1000) {
        fixture.add(jobs).await;
    }
    fixture.advance(10);
    assert_eq!(fixture.sweep().await.promoted, 2500);
    let mut claimed = BTreeSet::new();
    while let claims = fixture.claim(1000).await
        && !claims.is_empty()
    {
        claimed.extend(claims.iter().map(|job| job.id));
    }
    assert_eq!(claimed, jobs.iter().map(|job| job.id).collect());
}

pub(crate) async fn retries_at_one_moment_all_come_back(fixture: &Fixture) {
    fixture.add(&fixture.jobs(500, "a")).await;
    let claimed = fixture.claim(500).await;
    fixture.settle_all(&claimed, failed(fixture.now() + 10, "down")).await;
    assert_eq!(fixture.counts().await.scheduled, 500);
    fixture.advance(10);
    assert_eq!(fixture.sweep().await.promoted, 500);
    assert_eq!(fixture.claim(500).await.len(), 500);
}

pub(crate) async fn a_gate_lets_out_what_waits_behind_it_and_nothing_else(fixture: &Fixture) {
    fixture.add(&fixture.jobs(6, "a")).await;
    let claimed = fixture.claim(6).await;
    for (place, job) in claimed.iter().enumerate() {
        let gate = ["kind:a", "kind:b", "key:k1"][place % 3].to_owned();
        fixture.settle_part(job, Outcome::Park { gate }).await;
    }
    let gates = ["kind:a".to_owned(), "key:k1".to_owned(), "kind:nobody".to_owned()];
    assert_eq!(
        fixture
            .queue
            .unpark(Queue::Default, &gates, fixture.now())
            .await
            .unwrap(),
        4
    );
    let counts = fixture.counts().await;
    assert_eq!((counts.ready, counts.parked), (4, 2));
    assert_eq!(
        fixture
            .queue
            .unpark(Queue::Default, &gates, fixture.now())
            .await
            .unwrap(),
        0
    );
    for (place, job) in claimed.iter().enumerate() {
        let state = fixture.kept(job.id).await.state;
        let expected = if place % 3 == 1 {
            State::Parked { gate: "kind:b".into() }
        } else {
            State::Ready
        };
        assert_eq!(state, expected);
    }
    let again: BTreeSet<_> = fixture.claim(10).await.iter().map(|job| job.id).collect();
    let expected = claimed
        .iter()
        .enumerate()
        .filter(|(place, _)| place % 3 != 1)
        .map(|(_, job)| job.id)
        .collect();
    assert_eq!(again, expected);
}

pub(crate) async fn a_gate_is_of_one_queue(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, Outcome::Park { gate: "kind:a".into() }).await;
    let gates = ["kind:a".to_owned()];
    assert_eq!(
        fixture
            .queue
            .unpark(Queue::Urgent, &gates, fixture.now())
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        fixture.queue.unpark(Queue::Default, &[], fixture.now()).await.unwrap(),
        0
    );
    assert_eq!(
        fixture.counts().await,
        Counts {
            parked: 1,
            ..Counts::default()
        }
    );
}

pub(crate) async fn a_gate_lets_out_thousands(fixture: &Fixture) {
    for _ in 0..3 {
        let round = fixture.counts().await.parked;
        fixture.add(&fixture.jobs(1000, &round.to_string())).await;
        let claimed = fixture.claim(1000).await;
        fixture
            .settle_all(&claimed, Outcome::Park { gate: "kind:a".into() })
            .await;
    }
    assert_eq!(fixture.counts().await.parked, 3000);
    assert_eq!(
        fixture
            .queue
            .unpark(Queue::Default, &["kind:a".into()], fixture.now())
            .await
            .unwrap(),
        3000
    );
    let counts = fixture.counts().await;
    assert_eq!((counts.ready, counts.parked), (3000, 0));
}

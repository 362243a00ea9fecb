//! What a claim promises.

use std::collections::BTreeSet;

use queue::backend::{ClaimRequest, Outcome, State};
use queue::{Pause, Queue, Scope};

use crate::support::fixture::{Fixture, LEASE_MS, OTHER_TENANT, SESSION, settle};

pub(crate) async fn a_claim_says_everything_about_a_job(fixture: &Fixture) {
    let job = fixture.job("a");
    fixture.add_one(&job).await;
    let claimed = fixture.claim_one().await;
    assert_eq!(
        (claimed.id, claimed.queue, claimed.tenant),
        (job.id, job.queue, job.tenant)
    );
    assert_eq!((claimed.crashes, claimed.attempts, claimed.body), (0, 0, job.body));
    let state = State::Running {
        claim: claimed.ticket.claim,
        session: SESSION,
        until: fixture.now() + LEASE_MS,
    };
    assert_eq!(fixture.kept(job.id).await.state, state);
}

pub(crate) async fn an_empty_queue_has_no_job_and_no_more(fixture: &Fixture) {
    let claims = fixture.queue.claim(&fixture.request(0, 10)).await.unwrap();
    assert!(claims.jobs.is_empty() && !claims.more);
}

pub(crate) async fn a_claim_takes_no_more_than_wanted(fixture: &Fixture) {
    fixture.add(&fixture.jobs(10, "a")).await;
    let claims = fixture.queue.claim(&fixture.request(0, 4)).await.unwrap();
    assert!(
        (1..=4).contains(&claims.jobs.len()),
        "{} of 4 wanted",
        claims.jobs.len()
    );
    assert!(claims.more, "the others are still ready");
    let nothing = fixture.queue.claim(&fixture.request(0, 0)).await.unwrap();
    assert!(nothing.jobs.is_empty());
}

pub(crate) async fn a_claim_call_has_one_number_that_no_other_has(fixture: &Fixture) {
    fixture.add(&fixture.jobs(30, "a")).await;
    let mut numbers = BTreeSet::new();
    for _ in 0..3 {
        let claims = fixture.queue.claim(&fixture.request(0, 10)).await.unwrap();
        let of_call: BTreeSet<_> = claims.jobs.iter().map(|job| job.ticket.claim).collect();
        assert_eq!(of_call.len(), 1);
        numbers.extend(of_call);
        fixture.settle_all(&claims.jobs, Outcome::Release).await;
    }
    assert_eq!(numbers.len(), 3);
}

pub(crate) async fn a_claimed_job_is_not_claimed_again(fixture: &Fixture) {
    fixture.running("a").await;
    assert!(fixture.claim(10).await.is_empty());
    let other = fixture.another_handle().await;
    assert!(other.claim(&fixture.request(0, 10)).await.unwrap().jobs.is_empty());
}

pub(crate) async fn a_claim_that_says_no_more_has_left_nothing(fixture: &Fixture) {
    fixture.add(&fixture.jobs(950, "a")).await;
    fixture
        .add(&[fixture.job_of(crate::support::fixture::OTHER_TENANT, "b")])
        .await;
    let mut got = 0;
    for want in [1, 7, 100, 500, 1000].into_iter().cycle() {
        let claims = fixture.queue.claim(&fixture.request(0, want)).await.unwrap();
        got += claims.jobs.len();
        let left = fixture.counts().await.ready;
        assert_eq!(got as u64 + left, 951);
        if claims.jobs.len() < want && !claims.more {
            assert_eq!(left, 0, "a claim that came back short said that there was no more");
            return;
        }
    }
}

pub(crate) async fn a_claim_takes_of_its_queue_only(fixture: &Fixture) {
    let jobs = Queue::ALL.map(|queue| fixture.job_in(queue, "a"));
    fixture.add(&jobs).await;
    for (queue, job) in Queue::ALL.into_iter().zip(jobs) {
        let request = ClaimRequest {
            queue,
            ..fixture.request(0, 10)
        };
        let claims = fixture.queue.claim(&request).await.unwrap();
        assert_eq!(
            claims.jobs.iter().map(|claimed| claimed.id).collect::<Vec<_>>(),
            [job.id]
        );
    }
}

pub(crate) async fn a_claim_takes_of_its_lane_only(fixture: &Fixture) {
    fixture.running("crashes").await;
    fixture.crash().await;
    fixture.add_one(&fixture.job("fresh")).await;
    let fresh = fixture.claim_one_from(0).await;
    let crashed = fixture.claim_one_from(1).await;
    assert!(fixture.claim_from(2, 10).await.is_empty());
    assert_eq!((fresh.id, fresh.crashes), (fixture.job("fresh").id, 0));
    assert_eq!((crashed.id, crashed.crashes), (fixture.job("crashes").id, 1));
}

pub(crate) async fn jobs_of_one_tenant_are_claimed_oldest_first(fixture: &Fixture) {
    let jobs = fixture.jobs(300, "a");
    for jobs in jobs.chunks(100) {
        fixture.add(jobs).await;
    }
    let mut claimed = Vec::new();
    while claimed.len() < 300 {
        let claims = fixture.claim(50).await;
        claimed.extend(claims.iter().map(|job| job.id));
    }
    // Within one call the order is the backend's own.
    let added: Vec<BTreeSet<_>> = jobs
        .chunks(100)
        .map(|jobs| jobs.iter().map(|job| job.id).collect())
        .collect();
    let got: Vec<BTreeSet<_>> = claimed.chunks(100).map(|ids| ids.iter().copied().collect()).collect();
    assert_eq!(got, added);
}

pub(crate) async fn nothing_is_claimed_while_the_queue_is_paused(fixture: &Fixture) {
    fixture.add_one(&fixture.job("before")).await;
    fixture.pause(Queue::Default, true).await;
    fixture.add_one(&fixture.job("while")).await;
    assert!(fixture.counts().await.paused);
    assert!(fixture.claim(10).await.is_empty());
    let other = fixture.another_handle().await;
    assert!(
        other.claim(&fixture.request(0, 10)).await.unwrap().jobs.is_empty(),
        "a pause holds for every process"
    );

    fixture.pause(Queue::Default, false).await;
    assert!(!fixture.counts().await.paused);
    assert_eq!(fixture.claim(10).await.len(), 2);
}

pub(crate) async fn a_pause_holds_one_queue_only(fixture: &Fixture) {
    fixture.pause(Queue::Bulk, true).await;
    fixture.pause(Queue::Bulk, true).await;
    fixture.add_one(&fixture.job("a")).await;
    assert_eq!(fixture.claim(10).await.len(), 1);
    assert!(!fixture.counts().await.paused);
    assert!(fixture.queue.counts(Queue::Bulk).await.unwrap().paused);
}

pub(crate) async fn what_runs_is_settled_while_the_queue_is_paused(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.pause(Queue::Default, true).await;
    assert!(fixture.settle(&claimed, Outcome::Done).await);
}

pub(crate) async fn a_step_settles_and_claims(fixture: &Fixture) {
    let first = fixture.running("first").await;
    fixture.add_one(&fixture.job("second")).await;
    let settles = [settle(&first, Outcome::Done)];
    let finished = [first.ticket.claim];
    let (held, claims) = fixture
        .queue
        .step(&settles, &finished, &fixture.request(0, 10))
        .await
        .unwrap();
    assert_eq!(held, [true]);
    assert_eq!(
        claims.jobs.iter().map(|job| job.id).collect::<Vec<_>>(),
        [fixture.job("second").id]
    );
    assert_ne!(claims.jobs[0].ticket.claim, first.ticket.claim);
    assert!(fixture.find(first.id).await.is_none());
}

pub(crate) async fn a_step_that_settles_nothing_held_still_claims(fixture: &Fixture) {
    let first = fixture.running("first").await;
    fixture.settle(&first, Outcome::Done).await;
    fixture.add_one(&fixture.job("second")).await;
    let settles = [settle(&first, Outcome::Release)];
    let (held, claims) = fixture
        .queue
        .step(&settles, &[], &fixture.request(0, 10))
        .await
        .unwrap();
    assert_eq!((held, claims.jobs.len()), (vec![false], 1));
}

pub(crate) async fn a_step_may_claim_what_it_releases(fixture: &Fixture) {
    let first = fixture.running("a").await;
    let settles = [settle(&first, Outcome::Release)];
    let (held, claims) = fixture
        .queue
        .step(&settles, &[first.ticket.claim], &fixture.request(0, 10))
        .await
        .unwrap();
    let again = if claims.jobs.is_empty() {
        fixture.claim_one().await
    } else {
        claims.jobs[0].clone()
    };
    assert_eq!((held, again.id), (vec![true], first.id));
    assert_ne!(again.ticket.claim, first.ticket.claim);
    assert!(
        !fixture.settle(&first, Outcome::Done).await,
        "the old claim is worth nothing"
    );
    assert!(fixture.settle(&again, Outcome::Done).await);
}

pub(crate) async fn pauses_say_what_since_when_and_by_whom(fixture: &Fixture) {
    let scopes = [
        Scope::Queue(Queue::Bulk),
        Scope::Kind("send_otp".to_owned()),
        Scope::Tenant(OTHER_TENANT),
        Scope::Worker(SESSION),
    ];
    let pauses = scopes.map(|scope| fixture.a_pause(scope));
    for pause in &pauses {
        fixture.queue.pause(pause).await.unwrap();
    }
    let another = fixture.another_handle().await;
    assert_eq!(another.pauses().await.unwrap(), pauses);
    let later = Pause {
        by: "another operator".to_owned(),
        at: fixture.now() + 1,
        ..pauses[0].clone()
    };
    another.pause(&later).await.unwrap();
    another
        .pause(&Pause {
            scope: pauses[1].scope.clone(),
            ..later
        })
        .await
        .unwrap();
    assert_eq!(fixture.queue.pauses().await.unwrap(), pauses, "the first pause counts");
    for pause in &pauses[..3] {
        fixture.queue.resume(&pause.scope).await.unwrap();
        fixture.queue.resume(&pause.scope).await.unwrap();
    }
    assert_eq!(fixture.queue.pauses().await.unwrap(), pauses[3..]);
}

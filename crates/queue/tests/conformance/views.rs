//! What an operator sees.

use queue::backend::{Counts, Outcome, Reason, State};
use queue::{JobId, Queue};

use crate::support::fixture::{Fixture, LEASE_MS, OTHER_TENANT, SESSION, TENANT, put_off};

pub(crate) async fn counts_are_exact_in_every_state(fixture: &Fixture) {
    assert_eq!(fixture.counts().await, Counts::default());
    fixture.add(&fixture.jobs(15, "a")).await;
    let later: Vec<_> = (0..4)
        .map(|n| fixture.job_at(fixture.now() + 9000, &format!("later {n}")))
        .collect();
    fixture.add(&later).await;
    assert_eq!(
        fixture.counts().await,
        Counts {
            ready: 15,
            scheduled: 4,
            ..Counts::default()
        }
    );
    let mut claimed = fixture.claim(12).await;
    assert_eq!(
        fixture.counts().await,
        Counts {
            ready: 3,
            scheduled: 4,
            running: 12,
            ..Counts::default()
        }
    );
    for (outcome, number) in [
        (Outcome::Done, 1),
        (Outcome::Park { gate: "kind:x".into() }, 2),
        (
            Outcome::Dead {
                reason: Reason::Refused,
                error: None,
            },
            3,
        ),
        (put_off(fixture.now() + 5000), 2),
        (Outcome::Release, 1),
    ] {
        for _ in 0..number {
            fixture.settle_part(&claimed.pop().unwrap(), outcome.clone()).await;
        }
    }
    let expected = Counts {
        ready: 4,
        scheduled: 6,
        running: 3,
        parked: 2,
        behind: 0,
        dead: 3,
        paused: false,
    };
    assert_eq!(fixture.counts().await, expected);
    fixture.advance(LEASE_MS + 1);
    fixture.sweep().await;
    let expected = Counts {
        ready: 10,
        scheduled: 3,
        running: 0,
        ..expected
    };
    assert_eq!(fixture.counts().await, expected, "all due, and three taken back");
    for queue in [Queue::Urgent, Queue::Bulk] {
        assert_eq!(fixture.queue.counts(queue).await.unwrap(), Counts::default());
    }
    let other = fixture.another_handle().await;
    assert_eq!(
        other.counts(Queue::Default).await.unwrap(),
        expected,
        "the same for every process"
    );
}

pub(crate) async fn a_job_is_found_in_every_state(fixture: &Fixture) {
    let now = fixture.now();
    let scheduled = fixture.job_at(now + 70, "scheduled");
    fixture.add_one(&scheduled).await;
    assert_eq!(
        fixture.kept(scheduled.id).await.state,
        State::Scheduled { run_at: now + 70 }
    );

    let parked = fixture.running("parked").await;
    fixture.settle(&parked, Outcome::Park { gate: "key:k9".into() }).await;
    assert_eq!(
        fixture.kept(parked.id).await.state,
        State::Parked { gate: "key:k9".into() }
    );

    let dead = fixture.dead("dead").await;
    let refused = State::Dead {
        reason: Reason::Refused,
        died_at: now,
    };
    assert_eq!(fixture.kept(dead).await.state, refused);

    let running = fixture.running("running").await;
    let until = now + LEASE_MS;
    let state = State::Running {
        claim: running.ticket.claim,
        session: SESSION,
        until,
    };
    assert_eq!(fixture.kept(running.id).await.state, state);

    let ready = fixture.job_of(OTHER_TENANT, "ready");
    fixture.add_one(&ready).await;
    let kept = fixture.kept(ready.id).await;
    assert_eq!(
        (kept.state, kept.tenant, kept.body),
        (State::Ready, OTHER_TENANT, ready.body)
    );
}

pub(crate) async fn a_job_of_any_queue_is_found_by_its_id_alone(fixture: &Fixture) {
    for queue in Queue::ALL {
        let job = fixture.job_in(queue, "a");
        fixture.add_one(&job).await;
        assert_eq!(fixture.kept(job.id).await.queue, queue);
    }
}

pub(crate) async fn what_nobody_added_is_not_found(fixture: &Fixture) {
    let nobody = JobId::derive("test", TENANT, "nobody");
    assert!(fixture.find(nobody).await.is_none());
    assert!(!fixture.queue.ended(nobody).await.unwrap());
}

pub(crate) async fn a_job_that_lives_has_not_ended(fixture: &Fixture) {
    let job = fixture.job("a");
    fixture.add_one(&job).await;
    assert!(!fixture.queue.ended(job.id).await.unwrap());
    let claimed = fixture.claim_one().await;
    fixture.settle(&claimed, Outcome::Park { gate: "kind:x".into() }).await;
    assert!(!fixture.queue.ended(job.id).await.unwrap());
}

//! What each way of ending a run does, and costs.

use queue::backend::{
    Claimed, DeadFilter, ERROR_CHARS_MAX, EXCERPT_BYTES_MAX, Excerpt, Failure, Outcome, Reason, Settle, State,
};
use queue::clock::DAY_MS;

use crate::support::fixture::{Fixture, failed, put_off, settle};

pub(crate) async fn done_ends_the_job_and_its_key_stays_known(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    assert!(!fixture.queue.ended(claimed.id).await.unwrap(), "it runs");
    assert!(fixture.settle(&claimed, Outcome::Done).await);
    assert!(fixture.find(claimed.id).await.is_none());
    assert!(fixture.queue.ended(claimed.id).await.unwrap());
    assert_eq!(fixture.counts().await, queue::backend::Counts::default());
}

pub(crate) async fn a_failure_costs_an_attempt_and_is_written_down(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.advance(70);
    assert!(
        fixture
            .settle(&claimed, failed(fixture.now() + 500, "the line was cut"))
            .await
    );
    let kept = fixture.kept(claimed.id).await;
    assert_eq!((kept.attempts, kept.crashes), (1, 0));
    assert_eq!(
        kept.state,
        State::Scheduled {
            run_at: fixture.now() + 500
        }
    );
    assert_eq!(
        kept.errors,
        [Failure {
            attempt: 1,
            at: fixture.now(),
            error: "the line was cut".into(),
            excerpt: None,
        }]
    );
    assert_eq!(kept.body, claimed.body);
}

pub(crate) async fn the_call_that_went_wrong_is_kept_with_its_attempt_into_the_letter_and_out_of_it(fixture: &Fixture) {
    let long = Excerpt {
        request: Some("POST /messages".into()),
        response: Some(format!("503\0{}", "é".repeat(EXCERPT_BYTES_MAX))),
    };
    let unanswered = Excerpt {
        response: None,
        ..long.clone()
    };
    let end = async |claimed: &Claimed, outcome: Outcome, excerpt: &Excerpt| {
        let excerpt = Some(excerpt.clone());
        let settles = [Settle {
            excerpt,
            ..settle(claimed, outcome)
        }];
        assert_eq!(fixture.settle_call(&settles, &[claimed.ticket.claim]).await, [true]);
    };
    let claimed = fixture.running("a").await;
    let id = claimed.id;
    end(&claimed, failed(fixture.now(), "a fault"), &long).await;
    fixture.sweep().await;
    let claimed = fixture.claim_one().await;
    end(&claimed, put_off(fixture.now()), &long).await;
    fixture.sweep().await;
    let claimed = fixture.claim_one().await;
    let dead = Outcome::Dead {
        reason: Reason::Refused,
        error: Some("no answer".into()),
    };
    end(&claimed, dead, &unanswered).await;

    let kept = fixture.kept(id).await;
    let excerpts: Vec<_> = kept.errors.iter().map(|failure| failure.excerpt.clone()).collect();
    assert_eq!(
        excerpts,
        [Some(long.clone().cut()), Some(unanswered.clone())],
        "and none of the run that was put off"
    );
    let cut = excerpts[0]
        .as_ref()
        .and_then(|excerpt| excerpt.response.as_ref())
        .unwrap();
    assert!(
        cut.len() <= EXCERPT_BYTES_MAX + "\u{fffd}".len() && !cut.contains('\0'),
        "{} bytes",
        cut.len()
    );
    let listed = fixture.queue.list_dead(&DeadFilter::default(), None, 1).await.unwrap();
    assert_eq!(listed.items[0].errors[0].excerpt.as_ref(), Some(&unanswered));
    assert!(fixture.queue.retry_dead(id, None, fixture.now()).await.unwrap());
    assert_eq!(fixture.kept(id).await.errors, kept.errors);
}

pub(crate) async fn every_failure_is_kept_in_order(fixture: &Fixture) {
    fixture.add_one(&fixture.job("a")).await;
    let mut expected = Vec::new();
    for attempt in 1..=5 {
        let claimed = fixture.claim_one().await;
        assert_eq!(claimed.attempts, attempt - 1, "attempts used up before this run");
        let error = format!("failure number {attempt}");
        fixture.settle(&claimed, failed(fixture.now() + 10, &error)).await;
        expected.push(Failure {
            attempt,
            at: fixture.now(),
            error,
            excerpt: None,
        });
        fixture.advance(10);
        fixture.sweep().await;
    }
    let kept = fixture.kept(fixture.job("a").id).await;
    assert_eq!((kept.attempts, kept.errors), (5, expected));
}

pub(crate) async fn an_error_is_cut_at_its_limit_in_characters(fixture: &Fixture) {
    let long = "é".repeat(3 * ERROR_CHARS_MAX);
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, failed(fixture.now(), &long)).await;
    fixture.sweep().await;
    let claimed = fixture.claim_one().await;
    fixture
        .settle(
            &claimed,
            Outcome::Dead {
                reason: Reason::Refused,
                error: Some(long.clone()),
            },
        )
        .await;
    let errors = fixture.kept(claimed.id).await.errors;
    let cut: String = long.chars().take(ERROR_CHARS_MAX).collect();
    assert!(errors.len() == 2 && errors.iter().all(|failure| failure.error == cut));
}

pub(crate) async fn later_without_an_error_costs_nothing(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    let run_at = fixture.now() + 500;
    assert!(fixture.settle(&claimed, put_off(run_at)).await);
    let kept = fixture.kept(claimed.id).await;
    assert_eq!(
        (kept.attempts, kept.state, kept.errors),
        (0, State::Scheduled { run_at }, Vec::new())
    );
    fixture.advance(500);
    fixture.sweep().await;
    assert_eq!(fixture.claim_one().await.attempts, 0);
}

pub(crate) async fn later_in_the_past_may_start_at_once(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    assert!(fixture.settle(&claimed, failed(fixture.now() - 5000, "no")).await);
    fixture.sweep().await;
    assert_eq!(fixture.claim_one().await.attempts, 1);
}

pub(crate) async fn dead_keeps_the_reason_the_time_and_every_error(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, failed(fixture.now(), "first")).await;
    let first_at = fixture.now();
    fixture.sweep().await;
    fixture.advance(40);
    let claimed = fixture.claim_one().await;
    let outcome = Outcome::Dead {
        reason: Reason::Attempts,
        error: Some("second".into()),
    };
    assert!(fixture.settle(&claimed, outcome).await);
    let kept = fixture.kept(claimed.id).await;
    assert_eq!(
        kept.state,
        State::Dead {
            reason: Reason::Attempts,
            died_at: fixture.now()
        }
    );
    assert_eq!((kept.attempts, kept.crashes, kept.tenant), (2, 0, claimed.tenant));
    let failure = |attempt, at, error: &str| Failure {
        attempt,
        at,
        error: error.into(),
        excerpt: None,
    };
    assert_eq!(
        kept.errors,
        [failure(1, first_at, "first"), failure(2, fixture.now(), "second")]
    );
    assert!(fixture.claim(10).await.is_empty());
}

pub(crate) async fn dead_without_an_error_costs_no_attempt(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture
        .settle(
            &claimed,
            Outcome::Dead {
                reason: Reason::Expired,
                error: None,
            },
        )
        .await;
    let kept = fixture.kept(claimed.id).await;
    assert_eq!((kept.attempts, kept.errors), (0, Vec::new()));
}

pub(crate) async fn every_reason_reads_back(fixture: &Fixture) {
    for reason in Reason::ALL {
        let claimed = fixture.running(reason.name()).await;
        fixture.settle(&claimed, Outcome::Dead { reason, error: None }).await;
        let died_at = fixture.now();
        assert_eq!(fixture.kept(claimed.id).await.state, State::Dead { reason, died_at });
    }
}

pub(crate) async fn park_costs_nothing_and_shows_its_gate(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    assert!(
        fixture
            .settle(
                &claimed,
                Outcome::Park {
                    gate: "kind:send_otp".into()
                }
            )
            .await
    );
    let kept = fixture.kept(claimed.id).await;
    assert_eq!((kept.attempts, kept.errors), (0, Vec::new()));
    assert_eq!(
        kept.state,
        State::Parked {
            gate: "kind:send_otp".into()
        }
    );
    fixture.advance(DAY_MS);
    fixture.sweep().await;
    assert!(fixture.claim(10).await.is_empty(), "time does not open a gate");
}

pub(crate) async fn release_costs_nothing_and_anybody_may_run_it(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    assert!(fixture.settle(&claimed, Outcome::Release).await);
    let kept = fixture.kept(claimed.id).await;
    assert_eq!((kept.attempts, kept.crashes, kept.state), (0, 0, State::Ready));
    let other = fixture.another_handle().await;
    let again = other.claim(&fixture.request(0, 10)).await.unwrap().jobs;
    assert_eq!(
        again.iter().map(|job| (job.id, job.attempts)).collect::<Vec<_>>(),
        [(claimed.id, 0)]
    );
}

pub(crate) async fn what_costs_nothing_keeps_the_attempts_used_up(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, failed(fixture.now(), "one")).await;
    fixture.sweep().await;
    let run_at = fixture.now();
    let gate = || "kind:a".to_owned();
    for outcome in [Outcome::Release, put_off(run_at), Outcome::Park { gate: gate() }] {
        let claimed = fixture.claim_one().await;
        assert_eq!(claimed.attempts, 1);
        assert!(fixture.settle(&claimed, outcome).await);
        let kept = fixture.kept(claimed.id).await;
        assert_eq!((kept.attempts, kept.errors.len()), (1, 1));
        fixture
            .queue
            .unpark(claimed.queue, &[gate()], fixture.now())
            .await
            .unwrap();
        fixture.sweep().await;
    }
    assert_eq!(fixture.claim_one().await.attempts, 1);
}

pub(crate) async fn a_job_stays_in_the_lane_of_its_crashes(fixture: &Fixture) {
    fixture.running("a").await;
    fixture.crash().await;
    let gate = || "kind:a".to_owned();
    let run_at = fixture.now();
    let outcomes = [
        Outcome::Release,
        put_off(run_at),
        failed(run_at, "no"),
        Outcome::Park { gate: gate() },
    ];
    for outcome in outcomes {
        let claimed = fixture.claim_one_from(1).await;
        assert_eq!(claimed.crashes, 1);
        assert!(fixture.settle(&claimed, outcome).await);
        fixture
            .queue
            .unpark(claimed.queue, &[gate()], fixture.now())
            .await
            .unwrap();
        fixture.sweep().await;
        assert_eq!(fixture.kept(claimed.id).await.crashes, 1);
        assert!(fixture.claim_from(0, 10).await.is_empty());
    }
    let claimed = fixture.claim_one_from(1).await;
    assert!(fixture.settle(&claimed, Outcome::Done).await);
}

pub(crate) async fn errors_go_with_the_job_that_ended(fixture: &Fixture) {
    let job = fixture.job("a");
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, failed(fixture.now(), "a secret of old")).await;
    fixture.sweep().await;
    let claimed = fixture.claim_one().await;
    assert!(fixture.settle(&claimed, Outcome::Done).await);
    fixture.advance(12 * DAY_MS);
    fixture.purge(0).await;
    assert_eq!(fixture.add_one(&job).await, queue::backend::Added::New);
    let kept = fixture.kept(job.id).await;
    assert_eq!(
        (kept.attempts, kept.errors),
        (0, Vec::new()),
        "its namesake begins anew"
    );
}

pub(crate) async fn one_call_settles_every_outcome(fixture: &Fixture) {
    let jobs = fixture.jobs(6, "a");
    fixture.add(&jobs).await;
    let claimed = fixture.claim(6).await;
    let run_at = fixture.now() + 100;
    let outcomes = [
        Outcome::Done,
        failed(run_at, "no"),
        put_off(run_at),
        Outcome::Dead {
            reason: Reason::Refused,
            error: Some("never".into()),
        },
        Outcome::Park { gate: "kind:x".into() },
        Outcome::Release,
    ];
    let settles: Vec<_> = claimed
        .iter()
        .zip(outcomes)
        .map(|(job, outcome)| settle(job, outcome))
        .collect();
    let finished: Vec<_> = claimed.iter().map(|job| job.ticket.claim).collect();
    assert_eq!(fixture.settle_call(&settles, &finished).await, [true; 6]);
    let counts = fixture.counts().await;
    assert_eq!(
        (
            counts.ready,
            counts.scheduled,
            counts.running,
            counts.parked,
            counts.dead
        ),
        (1, 2, 0, 1, 1),
        "one is done"
    );
    for settle in &settles {
        let kept = fixture.find(settle.id).await;
        let fits = matches!(
            (&settle.outcome, kept.map(|kept| kept.state)),
            (Outcome::Done, None)
                | (Outcome::Later { .. }, Some(State::Scheduled { .. }))
                | (Outcome::Dead { .. }, Some(State::Dead { .. }))
                | (Outcome::Park { .. }, Some(State::Parked { .. }))
                | (Outcome::Release, Some(State::Ready))
        );
        assert!(fits, "{settle:?}");
    }
}

pub(crate) async fn one_call_settles_a_thousand_jobs(fixture: &Fixture) {
    for (round, outcome) in [
        Outcome::Release,
        failed(fixture.now(), "once"),
        Outcome::Park { gate: "kind:x".into() },
        Outcome::Done,
    ]
    .into_iter()
    .enumerate()
    {
        if round == 0 {
            fixture.add(&fixture.jobs(1000, "a")).await;
        }
        let claimed = fixture.claim(1000).await;
        assert_eq!(claimed.len(), 1000);
        assert_eq!(fixture.settle_all(&claimed, outcome).await, vec![true; 1000]);
        fixture
            .queue
            .unpark(queue::Queue::Default, &["kind:x".into()], fixture.now())
            .await
            .unwrap();
        fixture.sweep().await;
    }
    assert_eq!(fixture.counts().await, queue::backend::Counts::default());
}

pub(crate) async fn a_claim_may_be_settled_in_parts(fixture: &Fixture) {
    fixture.add(&fixture.jobs(10, "a")).await;
    let claimed = fixture.claim(10).await;
    for (place, job) in claimed.iter().enumerate() {
        let left = fixture.counts().await.running;
        assert_eq!(left, 10 - place as u64);
        let held = if left == 1 {
            fixture.settle(job, Outcome::Done).await
        } else {
            fixture.settle_part(job, Outcome::Done).await
        };
        assert!(held);
    }
    assert_eq!(fixture.counts().await, queue::backend::Counts::default());
}

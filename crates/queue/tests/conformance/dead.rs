//! Dead letters: made ready again, edited, deleted, and never dropped before their time.

use queue::AfterDeath;
use queue::backend::{Added, Counter, Counts, DeadFilter, Outcome, Reason, RetryDead, State};
use queue::clock::DAY_MS;

use crate::lines;
use crate::support::fixture::{Fixture, OTHER_TENANT, failed};

pub(crate) async fn a_retried_dead_letter_has_all_its_attempts_again(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, failed(fixture.now(), "one")).await;
    fixture.sweep().await;
    let claimed = fixture.claim_one().await;
    fixture
        .settle(
            &claimed,
            Outcome::Dead {
                reason: Reason::Attempts,
                error: Some("two".into()),
            },
        )
        .await;
    let errors = fixture.kept(claimed.id).await.errors;

    assert!(fixture.queue.retry_dead(claimed.id, None, fixture.now()).await.unwrap());
    let kept = fixture.kept(claimed.id).await;
    assert_eq!((kept.state, kept.attempts, kept.crashes), (State::Ready, 0, 0));
    assert_eq!(
        (kept.errors.clone(), kept.body),
        (errors, claimed.body.clone()),
        "its errors stay"
    );
    assert_eq!(
        fixture.counts().await,
        Counts {
            ready: 1,
            ..Counts::default()
        }
    );

    let again = fixture.claim_one().await;
    assert_eq!(
        (again.id, again.attempts, again.tenant),
        (claimed.id, 0, claimed.tenant)
    );
    fixture.settle(&again, failed(fixture.now() + 5, "three")).await;
    let kept = fixture.kept(claimed.id).await;
    let texts: Vec<_> = kept.errors.iter().map(|failure| failure.error.as_str()).collect();
    assert_eq!((kept.attempts, texts), (1, vec!["one", "two", "three"]));
}

pub(crate) async fn a_retried_poison_has_no_crashes(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    for lane in 1..=2 {
        fixture.crash().await;
        fixture.claim_one_from(lane).await;
    }
    assert_eq!(fixture.crash().await.poisoned, 1);
    assert!(fixture.queue.retry_dead(claimed.id, None, fixture.now()).await.unwrap());
    let again = fixture.claim_one_from(0).await;
    assert_eq!((again.id, again.crashes), (claimed.id, 0));
    assert_eq!(
        fixture.crash().await.rescued,
        1,
        "its crashes are counted from the start"
    );
}

pub(crate) async fn a_retry_may_replace_the_body(fixture: &Fixture) {
    let dead = fixture.dead("a").await;
    let better = fixture.body("better");
    assert!(
        fixture
            .queue
            .retry_dead(dead, Some(&better), fixture.now())
            .await
            .unwrap()
    );
    assert_eq!(fixture.claim_one().await.body, better);
}

pub(crate) async fn several_letters_are_retried_at_once(fixture: &Fixture) {
    let mut letters = Vec::new();
    for key in ["a", "b", "c"] {
        letters.push(fixture.dead(key).await);
    }
    let jobs: Vec<_> = (0..3)
        .map(|number| fixture.ordered("line", AfterDeath::GoOn, &format!("{number}")))
        .collect();
    fixture.add(&jobs).await;
    for _ in &jobs {
        let head = fixture.claim_one().await;
        fixture.settle(&head, lines::dead()).await;
    }
    let (better, alive) = (fixture.body("better"), fixture.job("alive"));
    fixture.add_one(&alive).await;
    let retry = |id| RetryDead { id, body: None };
    let asked = [
        retry(letters[2]),
        RetryDead {
            id: letters[0],
            body: Some(&better),
        },
        retry(alive.id),
        retry(fixture.job("nobody").id),
        retry(jobs[1].id),
        retry(jobs[0].id),
        retry(letters[2]),
    ];
    let retried = fixture.queue.retry_all_dead(&asked, fixture.now()).await.unwrap();
    assert_eq!(retried.iter().filter(|retried| **retried).count(), 4);
    assert_eq!(retried[1..6], [true, false, false, true, true]);
    assert!(retried[0] != retried[6], "once, although it was named twice");

    let left = fixture.queue.dead_groups(&DeadFilter::default()).await.unwrap();
    assert_eq!(left.iter().map(|group| group.count).sum::<u64>(), 2);
    assert_eq!(fixture.kept(letters[0]).await.body, better);
    assert_eq!(fixture.kept(jobs[0].id).await.state, State::Behind { head: jobs[1].id });
    let mut ran: Vec<_> = fixture.claim(9).await.iter().map(|job| job.id).collect();
    ran.sort();
    let mut ready = [letters[0], letters[2], alive.id, jobs[1].id];
    ready.sort();
    assert_eq!(ran, ready);
}

pub(crate) async fn a_retried_dead_letter_may_end_well(fixture: &Fixture) {
    let dead = fixture.dead("a").await;
    fixture.queue.retry_dead(dead, None, fixture.now()).await.unwrap();
    let claimed = fixture.claim_one().await;
    assert!(fixture.settle(&claimed, Outcome::Done).await);
    assert!(fixture.find(dead).await.is_none());
    assert!(fixture.queue.ended(dead).await.unwrap());
    assert_eq!(fixture.add_one(&fixture.job("a")).await, Added::Duplicate);
    assert_eq!(fixture.counts().await, Counts::default());
}

pub(crate) async fn a_retried_dead_letter_may_die_again(fixture: &Fixture) {
    let dead = fixture.dead("a").await;
    fixture.advance(500);
    fixture.queue.retry_dead(dead, None, fixture.now()).await.unwrap();
    let claimed = fixture.claim_one().await;
    fixture
        .settle(
            &claimed,
            Outcome::Dead {
                reason: Reason::Expired,
                error: None,
            },
        )
        .await;
    let kept = fixture.kept(dead).await;
    assert_eq!(
        kept.state,
        State::Dead {
            reason: Reason::Expired,
            died_at: fixture.now()
        }
    );
    assert_eq!((kept.errors.len(), fixture.counts().await.dead), (1, 1));
}

pub(crate) async fn an_edited_dead_letter_stays_dead_with_its_new_body(fixture: &Fixture) {
    let dead = fixture.dead("a").await;
    let before = fixture.kept(dead).await;
    let edited = fixture.rewritten(dead, "edited").await;
    let kept = fixture.kept(dead).await;
    assert_eq!(
        (kept.state, kept.attempts, kept.errors),
        (before.state, before.attempts, before.errors)
    );
    assert_eq!(kept.body, edited);
    fixture.queue.retry_dead(dead, None, fixture.now()).await.unwrap();
    assert_eq!(fixture.claim_one().await.body, edited);
}

pub(crate) async fn a_deleted_dead_letter_is_gone_with_its_errors(fixture: &Fixture) {
    let dead = fixture.dead("a").await;
    assert!(fixture.queue.delete_dead(dead).await.unwrap());
    assert!(fixture.find(dead).await.is_none());
    assert_eq!(fixture.counts().await, Counts::default());
    assert!(!fixture.queue.delete_dead(dead).await.unwrap());
    assert!(!fixture.queue.retry_dead(dead, None, fixture.now()).await.unwrap());
    fixture.advance(12 * DAY_MS);
    fixture.purge(0).await;
    assert_eq!(fixture.add_one(&fixture.job("a")).await, Added::New);
    assert_eq!(fixture.kept(dead).await.errors, []);
}

pub(crate) async fn what_is_not_dead_is_not_touched_as_a_dead_letter(fixture: &Fixture) {
    fixture.running("running").await;
    fixture
        .add(&[fixture.job("ready"), fixture.job_at(fixture.now() + 10, "scheduled")])
        .await;
    let body = fixture.body("other");
    for key in ["running", "ready", "scheduled", "nobody"] {
        let id = fixture.job(key).id;
        let before = fixture.find(id).await.map(|kept| (kept.state, kept.body));
        assert!(
            !fixture.queue.retry_dead(id, Some(&body), fixture.now()).await.unwrap(),
            "retry of {key}"
        );
        assert!(!fixture.queue.delete_dead(id).await.unwrap(), "delete of {key}");
        assert_eq!(
            fixture.find(id).await.map(|kept| (kept.state, kept.body)),
            before,
            "{key}"
        );
    }
    let counts = fixture.counts().await;
    assert_eq!(
        (counts.ready, counts.scheduled, counts.running, counts.dead),
        (1, 1, 1, 0)
    );
}

pub(crate) async fn a_retry_that_comes_twice_makes_one_job(fixture: &Fixture) {
    let dead = fixture.dead("a").await;
    assert!(fixture.queue.retry_dead(dead, None, fixture.now()).await.unwrap());
    assert!(!fixture.queue.retry_dead(dead, None, fixture.now()).await.unwrap());
    assert_eq!(fixture.claim(10).await.len(), 1);
}

pub(crate) async fn a_retried_dead_letter_keeps_its_tenant_and_queue(fixture: &Fixture) {
    let job = fixture.job_of(OTHER_TENANT, "a");
    fixture.add_one(&job).await;
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
    fixture.queue.retry_dead(job.id, None, fixture.now()).await.unwrap();
    let again = fixture.claim_one().await;
    assert_eq!((again.tenant, again.queue), (OTHER_TENANT, job.queue));
}

pub(crate) async fn old_dead_letters_are_purged_and_counted(fixture: &Fixture) {
    let old = fixture.dead("old").await;
    fixture.dead("old too").await;
    fixture.advance(DAY_MS);
    let limit = fixture.now();
    let young = fixture.dead("young").await;
    assert_eq!(fixture.purge(limit).await, 2);
    assert!(fixture.find(old).await.is_none());
    assert_eq!(fixture.kept(young).await.errors.len(), 1);
    assert_eq!(
        fixture.counts().await,
        Counts {
            dead: 1,
            ..Counts::default()
        }
    );
    assert_eq!(fixture.purge(limit).await, 0);
    let purged = Counter {
        queue: queue::Queue::Default,
        kind: "test".to_owned(),
        name: "purged".to_owned(),
    };
    assert_eq!(fixture.queue.counters().await.unwrap(), [(purged, 2)]);
}

pub(crate) async fn a_letter_that_somebody_removes_is_counted(fixture: &Fixture) {
    let (removed, kept) = (fixture.dead("removed").await, fixture.dead("kept").await);
    assert!(fixture.queue.delete_dead(removed).await.unwrap());
    assert!(!fixture.queue.delete_dead(removed).await.unwrap());
    assert!(fixture.find(kept).await.is_some());
    let deleted = Counter {
        queue: queue::Queue::Default,
        kind: "test".to_owned(),
        name: "deleted".to_owned(),
    };
    assert_eq!(fixture.queue.counters().await.unwrap(), [(deleted, 1)]);
}

pub(crate) async fn a_purge_is_of_one_queue(fixture: &Fixture) {
    fixture.dead("a").await;
    fixture.advance(DAY_MS);
    let gone = fixture
        .queue
        .purge(queue::Queue::Urgent, fixture.now(), fixture.now())
        .await
        .unwrap();
    assert_eq!((gone.dead, fixture.counts().await.dead), (0, 1));
}

pub(crate) async fn a_purge_takes_thousands_in_bounded_steps(fixture: &Fixture) {
    for round in 0..2 {
        fixture.add(&fixture.jobs(1000, &round.to_string())).await;
        let claimed = fixture.claim(1000).await;
        fixture
            .settle_all(
                &claimed,
                Outcome::Dead {
                    reason: Reason::Refused,
                    error: Some("no".into()),
                },
            )
            .await;
    }
    fixture.advance(DAY_MS);
    let mut gone = 0;
    while gone < 2000 {
        let step = fixture
            .queue
            .purge(queue::Queue::Default, fixture.now(), fixture.now())
            .await
            .unwrap()
            .dead;
        assert!((1..=1000).contains(&step), "a step of {step}");
        gone += step;
    }
    assert_eq!((gone, fixture.counts().await), (2000, Counts::default()));
}

//! Leases: kept by renewing, lost by silence, and what a crash costs.

use queue::Queue;
use queue::backend::{CRASH_BACKOFF, Counts, Outcome, Reason, State, Worker};
use queue::clock::millis;
use uuid::Uuid;

use crate::support::fixture::{Fixture, LEASE_MS, SESSION, failed, put_off};

pub(crate) async fn a_lease_holds_to_its_end(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.advance(LEASE_MS - 1);
    assert_eq!(fixture.sweep().await.rescued, 0);
    fixture.advance(2);
    assert_eq!(fixture.sweep().await.rescued, 1);
    assert_eq!(fixture.kept(claimed.id).await.crashes, 1);
}

pub(crate) async fn renewing_moves_the_end(fixture: &Fixture) {
    fixture.add(&fixture.jobs(3, "a")).await;
    let claimed = fixture.claim(3).await;
    fixture.advance(LEASE_MS / 3);
    let until = fixture.now() + LEASE_MS;
    let claims: Vec<_> = claimed.iter().map(|job| job.ticket.claim).collect();
    let lost = fixture.queue.renew(Queue::Default, &claims, until).await.unwrap();
    assert!(lost.is_empty());
    let State::Running { until: shown, .. } = fixture.kept(claimed[0].id).await.state else {
        panic!("it runs")
    };
    assert_eq!(shown, until);

    fixture.advance(LEASE_MS - 1);
    assert_eq!(fixture.sweep().await.rescued, 0);
    fixture.advance(2);
    assert_eq!(fixture.sweep().await.rescued, 3);
}

pub(crate) async fn a_renewal_that_comes_late_moves_no_end_back(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    let claims = [claimed.ticket.claim];
    for until in [2 * LEASE_MS, LEASE_MS / 2].map(|left| fixture.now() + left) {
        let lost = fixture.queue.renew(Queue::Default, &claims, until).await.unwrap();
        assert!(lost.is_empty());
    }
    fixture.advance(2 * LEASE_MS - 1);
    assert_eq!(fixture.sweep().await.rescued, 0);
    fixture.advance(2);
    assert_eq!(fixture.sweep().await.rescued, 1);
}

pub(crate) async fn renewing_one_claim_does_not_move_another(fixture: &Fixture) {
    let kept = fixture.running("kept").await;
    let left = fixture.running("left").await;
    fixture.advance(LEASE_MS - 1);
    fixture
        .queue
        .renew(Queue::Default, &[kept.ticket.claim], fixture.now() + LEASE_MS)
        .await
        .unwrap();
    fixture.advance(2);
    assert_eq!(fixture.sweep().await.rescued, 1);
    assert_eq!(fixture.kept(left.id).await.crashes, 1);
    assert!(fixture.settle(&kept, Outcome::Done).await);
}

pub(crate) async fn a_lost_lease_is_named_and_the_others_are_moved(fixture: &Fixture) {
    let lost = fixture.running("lost").await;
    fixture.crash().await;
    let held = fixture.running("held").await;
    let (until, never) = (fixture.now() + 3 * LEASE_MS, held.ticket.claim + 1000);
    let claims = [lost.ticket.claim, held.ticket.claim, never];
    let mut named = fixture.queue.renew(Queue::Default, &claims, until).await.unwrap();
    named.sort_unstable();
    assert_eq!(named, [lost.ticket.claim, never]);
    fixture.advance(2 * LEASE_MS);
    assert_eq!(fixture.sweep().await.rescued, 0);
    assert!(fixture.settle(&held, Outcome::Done).await);
}

pub(crate) async fn a_finished_claim_cannot_be_renewed(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.settle(&claimed, Outcome::Release).await;
    let claims = [claimed.ticket.claim];
    assert_eq!(
        fixture
            .queue
            .renew(Queue::Default, &claims, fixture.now() + LEASE_MS)
            .await
            .unwrap(),
        claims
    );
}

pub(crate) async fn a_lease_that_ended_may_be_renewed_until_its_jobs_are_taken_back(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.advance(2 * LEASE_MS);
    let until = fixture.now() + LEASE_MS;
    assert!(
        fixture
            .queue
            .renew(Queue::Default, &[claimed.ticket.claim], until)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(fixture.sweep().await.rescued, 0);
    assert!(fixture.settle(&claimed, Outcome::Done).await);
}

pub(crate) async fn renewing_nothing_loses_nothing(fixture: &Fixture) {
    assert!(
        fixture
            .queue
            .renew(Queue::Default, &[], fixture.now() + LEASE_MS)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn a_crash_has_its_own_back_off_and_costs_no_attempt(fixture: &Fixture) {
    for (dice, key) in [(0.0, "soonest"), (1.0, "latest")] {
        let claimed = fixture.running(key).await;
        fixture.settle(&claimed, failed(fixture.now(), "before")).await;
        fixture.sweep().await;
        fixture.claim_one().await;
        for crashes in 1..=2 {
            fixture.advance(LEASE_MS + 1);
            fixture.sweep_with(dice).await;
            let run_at = fixture.now() + millis(CRASH_BACKOFF.wait(crashes.into(), dice));
            let kept = fixture.kept(claimed.id).await;
            assert_eq!(kept.state, State::Scheduled { run_at }, "crash {crashes}, dice {dice}");
            assert_eq!((kept.crashes, kept.attempts, kept.errors.len()), (crashes, 1, 1));
            fixture.advance(run_at - fixture.now());
            fixture.sweep().await;
            let again = fixture.claim_one_from(crashes).await;
            assert_eq!((again.crashes, again.attempts), (crashes, 1));
        }
        fixture.advance(LEASE_MS + 1);
        fixture.sweep().await;
    }
}

pub(crate) async fn the_third_crash_is_poison(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    for crashes in 1..=2 {
        let swept = fixture.crash().await;
        assert_eq!((swept.rescued, swept.poisoned), (1, 0), "crash {crashes}");
        fixture.claim_one_from(crashes).await;
    }
    fixture.advance(LEASE_MS + 1);
    let swept = fixture.sweep().await;
    assert_eq!((swept.rescued, swept.poisoned), (0, 1));
    let kept = fixture.kept(claimed.id).await;
    assert_eq!(
        kept.state,
        State::Dead {
            reason: Reason::Poison,
            died_at: fixture.now()
        }
    );
    assert_eq!((kept.crashes, kept.attempts), (3, 0));
    assert_eq!(
        fixture.counts().await,
        Counts {
            dead: 1,
            ..Counts::default()
        }
    );
    for lane in 0..3 {
        assert!(fixture.claim_from(lane, 10).await.is_empty());
    }
}

pub(crate) async fn crashes_add_up_over_other_ways_of_ending(fixture: &Fixture) {
    fixture.running("a").await;
    fixture.crash().await;
    let claimed = fixture.claim_one_from(1).await;
    fixture.settle(&claimed, failed(fixture.now(), "in between")).await;
    fixture.sweep().await;
    fixture.claim_one_from(1).await;
    fixture.crash().await;
    let claimed = fixture.claim_one_from(2).await;
    fixture.settle(&claimed, Outcome::Release).await;
    fixture.claim_one_from(2).await;
    assert_eq!(fixture.crash().await.poisoned, 1);
    let kept = fixture.kept(claimed.id).await;
    let errors: Vec<_> = kept.errors.iter().map(|failure| failure.attempt).collect();
    assert_eq!((kept.crashes, kept.attempts, errors), (3, 1, vec![1, 2]));
    assert_eq!(kept.errors[0].error, "in between");
}

pub(crate) async fn what_was_settled_before_the_crash_is_not_touched_by_it(fixture: &Fixture) {
    fixture.add(&fixture.jobs(8, "a")).await;
    let claimed = fixture.claim(8).await;
    let run_at = fixture.now() + 2 * LEASE_MS;
    fixture.settle_part(&claimed[0], Outcome::Done).await;
    fixture.settle_part(&claimed[1], failed(run_at, "no")).await;
    fixture.settle_part(&claimed[2], put_off(run_at)).await;
    fixture
        .settle_part(
            &claimed[3],
            Outcome::Dead {
                reason: Reason::Refused,
                error: None,
            },
        )
        .await;
    fixture
        .settle_part(&claimed[4], Outcome::Park { gate: "kind:x".into() })
        .await;
    fixture.settle_part(&claimed[5], Outcome::Release).await;
    fixture.advance(LEASE_MS + 1);
    assert_eq!(fixture.sweep().await.rescued, 2);
    let counts = fixture.counts().await;
    let states = (
        counts.ready,
        counts.scheduled,
        counts.running,
        counts.parked,
        counts.dead,
    );
    assert_eq!(
        states,
        (1, 4, 0, 1, 1),
        "the released, two for later and two rescued, one parked, one dead"
    );
    for (place, job) in claimed.iter().enumerate() {
        let crashes = fixture.find(job.id).await.map(|kept| kept.crashes);
        let expected = [None, Some(0), Some(0), Some(0), Some(0), Some(0), Some(1), Some(1)];
        assert_eq!(crashes, expected[place], "job {place}");
    }
}

pub(crate) async fn neighbours_are_charged_for_the_first_crash_only_with_it(fixture: &Fixture) {
    let mut jobs = fixture.jobs(20, "neighbour");
    jobs.push(fixture.job("killer"));
    fixture.add(&jobs).await;
    let killer = fixture.job("killer").id;
    assert_eq!(fixture.claim(21).await.len(), 21);
    fixture.crash().await;
    // In lane 1 the groups are small: those not in the killer's group get through.
    let mut innocent = 0;
    loop {
        let group = fixture.claim_from(1, 8).await;
        if group.is_empty() {
            break;
        }
        if group.iter().any(|job| job.id == killer) {
            continue;
        }
        innocent += group.len();
        assert!(fixture.settle_all(&group, Outcome::Done).await.iter().all(|held| *held));
    }
    assert!(
        innocent >= 21 - 8,
        "only the killer's group is left, and {innocent} were done"
    );
    fixture.crash().await;
    // In lane 2 each runs alone, and only the killer dies of itself.
    while let Some(alone) = fixture.claim_from(2, 1).await.pop() {
        if alone.id != killer {
            assert_eq!(alone.crashes, 2);
            assert!(fixture.settle(&alone, Outcome::Done).await);
        }
    }
    assert_eq!(fixture.crash().await.poisoned, 1);
    assert_eq!(
        fixture.counts().await,
        Counts {
            dead: 1,
            ..Counts::default()
        }
    );
}

pub(crate) async fn one_worker_dies_and_the_claims_of_another_are_not_touched(fixture: &Fixture) {
    fixture.add(&fixture.jobs(10, "a")).await;
    let died = fixture.queue.claim(&fixture.request(0, 5)).await.unwrap().jobs;
    let mut request = fixture.request(0, 10);
    request.session = Uuid::from_u128(0x07e6);
    let lives = fixture.queue.claim(&request).await.unwrap().jobs;
    fixture.advance(LEASE_MS - 1);
    fixture
        .queue
        .renew(Queue::Default, &[lives[0].ticket.claim], fixture.now() + LEASE_MS)
        .await
        .unwrap();
    fixture.advance(2);
    assert_eq!(fixture.sweep().await.rescued, died.len());
    assert_eq!(fixture.settle_all(&lives, Outcome::Done).await, vec![true; lives.len()]);
}

pub(crate) async fn a_rescued_batch_of_a_thousand_is_whole(fixture: &Fixture) {
    fixture.add(&fixture.jobs(1000, "a")).await;
    assert_eq!(fixture.claim(1000).await.len(), 1000);
    assert_eq!(fixture.crash().await.rescued, 1000);
    assert_eq!(fixture.counts().await.ready, 1000);
    let mut again = fixture.claim_from(1, 1000).await;
    again.sort_by_key(|job| job.id);
    again.dedup_by_key(|job| job.id);
    assert_eq!(again.len(), 1000);
    assert_eq!(fixture.settle_all(&again, Outcome::Done).await, vec![true; 1000]);
}

pub(crate) async fn a_sweep_is_of_one_queue(fixture: &Fixture) {
    fixture.running("a").await;
    fixture.advance(LEASE_MS + 1);
    let other = fixture.queue.sweep(Queue::Urgent, fixture.now(), 0.5).await.unwrap();
    assert_eq!((other.rescued, fixture.sweep().await.rescued), (0, 1));
}

/// What a worker never heard of, because the answer to its claim was lost, is not its crash while it lives.
pub(crate) async fn a_lease_that_its_living_worker_never_heard_of_costs_no_crash(fixture: &Fixture) {
    let unheard = fixture.running("unheard").await;
    announce(fixture, fixture.now() + 2 * LEASE_MS).await;
    fixture.advance(LEASE_MS + 1);
    let swept = fixture.sweep().await;
    assert_eq!((swept.rescued, swept.unheard, swept.poisoned), (0, 1, 0));
    assert!(
        !fixture.settle(&unheard, Outcome::Done).await,
        "it is not held any more"
    );
    fixture.sweep().await;
    let again = fixture.claim(10).await;
    assert_eq!(
        (again.len(), again[0].crashes, again[0].attempts),
        (1, 0, 0),
        "at once, without a charge"
    );
    assert_eq!(again[0].body, unheard.body);

    fixture.advance(LEASE_MS + 1);
    let swept = fixture.sweep().await;
    assert_eq!(
        (swept.rescued, swept.unheard),
        (1, 0),
        "nobody says any more that it lives"
    );
}

async fn announce(fixture: &Fixture, until: queue::Millis) {
    let worker = Worker {
        session: SESSION,
        name: "w".into(),
        queues: Vec::new(),
        kinds: Vec::new(),
        started_at: fixture.now(),
    };
    fixture.queue.announce(&worker, until).await.unwrap();
}

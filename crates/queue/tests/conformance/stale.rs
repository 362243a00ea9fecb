//! A claim that is gone is worth nothing, and says so.

use queue::Backend;
use queue::backend::{Counts, Kept, Outcome, Reason};

use crate::support::fixture::{Fixture, LEASE_MS, failed, put_off, settle};

/// Every way a run may end, for trying them all with a claim that is gone.
fn every_outcome(fixture: &Fixture) -> [Outcome; 6] {
    let run_at = fixture.now() + 100;
    [
        Outcome::Done,
        failed(run_at, "stale"),
        put_off(run_at),
        Outcome::Dead {
            reason: Reason::Refused,
            error: Some("stale".into()),
        },
        Outcome::Park {
            gate: "kind:stale".into(),
        },
        Outcome::Release,
    ]
}

type Picture = (Counts, Option<(u16, u8, queue::backend::State, usize)>);

async fn picture(fixture: &Fixture, id: queue::JobId) -> Picture {
    let kept = |kept: Kept| (kept.attempts, kept.crashes, kept.state, kept.errors.len());
    (fixture.counts().await, fixture.find(id).await.map(kept))
}

/// Settles with every outcome, alone and with others; nothing may happen.
async fn is_worth_nothing(fixture: &Fixture, claimed: &queue::backend::Claimed) {
    let before = picture(fixture, claimed.id).await;
    for outcome in every_outcome(fixture) {
        assert!(!fixture.settle(claimed, outcome.clone()).await, "{outcome:?}, finished");
        assert!(!fixture.settle_part(claimed, outcome.clone()).await, "{outcome:?}");
        assert_eq!(picture(fixture, claimed.id).await, before, "{outcome:?}");
    }
}

pub(crate) async fn a_settle_repeated_after_an_unclear_answer_changes_nothing(fixture: &Fixture) {
    for (number, outcome) in every_outcome(fixture).into_iter().enumerate() {
        let claimed = fixture.running(&number.to_string()).await;
        assert!(fixture.settle(&claimed, outcome.clone()).await);
        let before = picture(fixture, claimed.id).await;
        assert!(!fixture.settle(&claimed, outcome.clone()).await, "{outcome:?} again");
        assert_eq!(picture(fixture, claimed.id).await, before, "{outcome:?} again");
        // Whatever is ready again must not be in the way of the next round.
        fixture.claim(10).await;
    }
}

pub(crate) async fn a_settle_repeated_while_the_claim_has_others_left_changes_nothing(fixture: &Fixture) {
    fixture.add(&fixture.jobs(7, "a")).await;
    let claimed = fixture.claim(7).await;
    for (job, outcome) in claimed.iter().zip(every_outcome(fixture)) {
        assert!(fixture.settle_part(job, outcome.clone()).await);
        let before = picture(fixture, job.id).await;
        assert!(!fixture.settle_part(job, outcome.clone()).await, "{outcome:?} again");
        assert_eq!(picture(fixture, job.id).await, before, "{outcome:?} again");
    }
    assert!(
        fixture.settle(&claimed[6], Outcome::Done).await,
        "the last job of the claim is still held"
    );
}

pub(crate) async fn a_job_that_comes_twice_in_one_settle_is_settled_once(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    let twice = [
        settle(&claimed, failed(fixture.now() + 9, "one")),
        settle(&claimed, failed(fixture.now() + 9, "one")),
    ];
    let held = fixture.settle_call(&twice, &[claimed.ticket.claim]).await;
    assert_eq!(held.iter().filter(|held| **held).count(), 1, "{held:?}");
    let kept = fixture.kept(claimed.id).await;
    assert_eq!((kept.attempts, kept.errors.len()), (1, 1));
}

pub(crate) async fn a_finish_after_the_rescue_has_no_effect(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.advance(LEASE_MS + 1);
    assert_eq!(fixture.sweep().await.rescued, 1);
    is_worth_nothing(fixture, &claimed).await;
}

pub(crate) async fn a_finish_after_another_claimed_the_job_has_no_effect(fixture: &Fixture) {
    let first = fixture.running("a").await;
    fixture.crash().await;
    let second = fixture.claim_one_from(1).await;
    is_worth_nothing(fixture, &first).await;
    assert!(
        fixture.settle(&second, Outcome::Done).await,
        "the second owner is not disturbed"
    );
    is_worth_nothing(fixture, &first).await;
}

pub(crate) async fn a_finish_after_a_release_and_another_claim_has_no_effect(fixture: &Fixture) {
    let first = fixture.running("a").await;
    fixture.settle(&first, Outcome::Release).await;
    let second = fixture.claim_one().await;
    is_worth_nothing(fixture, &first).await;
    assert!(fixture.settle(&second, Outcome::Done).await);
}

pub(crate) async fn a_finish_of_a_retried_job_has_no_effect_on_its_next_run(fixture: &Fixture) {
    let first = fixture.running("a").await;
    fixture.settle(&first, failed(fixture.now(), "one")).await;
    fixture.sweep().await;
    let second = fixture.claim_one().await;
    is_worth_nothing(fixture, &first).await;
    assert!(fixture.settle(&second, Outcome::Done).await);
}

pub(crate) async fn a_finish_of_a_parked_job_has_no_effect_on_its_next_run(fixture: &Fixture) {
    let first = fixture.running("a").await;
    fixture.settle(&first, Outcome::Park { gate: "kind:a".into() }).await;
    is_worth_nothing(fixture, &first).await;
    fixture
        .queue
        .unpark(first.queue, &["kind:a".into()], fixture.now())
        .await
        .unwrap();
    let second = fixture.claim_one().await;
    is_worth_nothing(fixture, &first).await;
    assert!(fixture.settle(&second, Outcome::Done).await);
}

pub(crate) async fn a_finish_of_a_dead_letter_has_no_effect_on_its_next_run(fixture: &Fixture) {
    let first = fixture.running("a").await;
    fixture
        .settle(
            &first,
            Outcome::Dead {
                reason: Reason::Refused,
                error: None,
            },
        )
        .await;
    is_worth_nothing(fixture, &first).await;
    fixture.queue.retry_dead(first.id, None, fixture.now()).await.unwrap();
    let second = fixture.claim_one().await;
    is_worth_nothing(fixture, &first).await;
    assert!(fixture.settle(&second, Outcome::Done).await);
}

pub(crate) async fn a_claim_number_that_was_never_issued_is_worth_nothing(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    for wrong in [claimed.ticket.claim + 1, claimed.ticket.claim - 1, 0, -1, i64::MAX] {
        let mut forged = claimed.clone();
        forged.ticket.claim = wrong;
        is_worth_nothing(fixture, &forged).await;
    }
    assert!(fixture.settle(&claimed, Outcome::Done).await);
}

pub(crate) async fn stale_and_held_in_one_call_are_told_apart(fixture: &Fixture) {
    let stale = fixture.running("stale").await;
    fixture.crash().await;
    fixture.add(&fixture.jobs(3, "held")).await;
    let held = fixture.claim(3).await;
    let settles = [
        settle(&held[0], Outcome::Done),
        settle(&stale, Outcome::Done),
        settle(&held[1], failed(fixture.now() + 5, "no")),
        settle(&held[2], Outcome::Release),
    ];
    let finished = [held[0].ticket.claim, stale.ticket.claim];
    assert_eq!(
        fixture.settle_call(&settles, &finished).await,
        [true, false, true, true]
    );
    assert_eq!(fixture.kept(stale.id).await.crashes, 1);
}

pub(crate) async fn a_finish_after_the_end_of_a_lease_counts_until_the_job_is_taken_back(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    fixture.advance(10 * LEASE_MS);
    assert!(fixture.settle(&claimed, Outcome::Done).await);
    assert_eq!(fixture.sweep().await.rescued, 0);
}

pub(crate) async fn another_handle_may_settle_what_this_one_claimed(fixture: &Fixture) {
    let claimed = fixture.running("a").await;
    let other: std::sync::Arc<dyn Backend> = fixture.another_handle().await;
    let settles = [settle(&claimed, Outcome::Done)];
    let held = other
        .settle(claimed.queue, &settles, &[claimed.ticket.claim], fixture.now())
        .await
        .unwrap();
    assert_eq!(held, [true]);
    assert!(!fixture.settle(&claimed, Outcome::Done).await);
}

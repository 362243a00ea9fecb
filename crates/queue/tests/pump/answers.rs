//! What becomes of a job, by what its run answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use queue::backend::{Added, NewJob, Reason, State};
use queue::clock::Clock;
use queue::{Client, Job as _, JobId, Origin, Queue, Registry};
use tokio::time::timeout;
use uuid::Uuid;

use crate::jobs::{ATTEMPTS, Act, Fresh, Mangled, Slow, TENANT, Task, stage};
use crate::process::{GRACE, Plan, client, counted, keyring, until, until_dead, until_ended};
use crate::support::fixture::{FAILURE_LIMIT, Fixture};

pub(crate) fn origin() -> Origin {
    Origin {
        tenant: TENANT,
        correlation: Uuid::from_u128(0xc0),
    }
}

pub(crate) fn task(key: &str, act: Act) -> Task {
    Task { key: key.into(), act }
}

pub(crate) fn id(key: &str) -> JobId {
    JobId::derive(Task::KIND, TENANT, key)
}

/// The reason for which a job is dead.
fn reason(kept: &queue::backend::Kept) -> Reason {
    match kept.state {
        State::Dead { reason, .. } => reason,
        ref other => panic!("not dead but {other:?}"),
    }
}

/// Adds a job to a process that knows it, waits for its end, and answers the numbers of its attempts.
async fn run_to_its_end(fixture: &Fixture, act: Act) -> Vec<u16> {
    let keyring = keyring("k1");
    let (stage, mut heard) = stage();
    let process = Plan::new(&keyring).start(fixture.another_handle().await, &stage);
    let receipt = client(fixture, &keyring)
        .await
        .add(&task("a", act), origin())
        .await
        .unwrap();
    assert_eq!((receipt.job, receipt.duplicate), (id("a"), false));
    until("the end of the job", async || {
        fixture
            .find(receipt.job)
            .await
            .is_none_or(|kept| matches!(kept.state, State::Dead { .. }))
    })
    .await;
    assert_eq!(process.end(GRACE).await, 0);
    let mut numbers = Vec::new();
    while let Ok((job, attempt)) = heard.try_recv() {
        assert_eq!(
            (job, attempt.tenant, attempt.correlation),
            (receipt.job, TENANT, origin().correlation)
        );
        numbers.push(attempt.number);
    }
    numbers
}

pub(crate) async fn a_job_that_ends_well_is_done(fixture: &Fixture) {
    assert_eq!(run_to_its_end(fixture, Act::Done).await, [1]);
    until_ended(fixture, id("a")).await;
    assert_eq!(counted(fixture, "done").await, 1);
}

pub(crate) async fn a_duplicate_answers_with_the_same_id(fixture: &Fixture) {
    let client = client(fixture, &keyring("k1")).await;
    let first = client.add(&task("a", Act::Done), origin()).await.unwrap();
    let second = client.add(&task("a", Act::Fail), origin()).await.unwrap();
    assert_eq!(
        (first.duplicate, second.duplicate, second.job),
        (false, true, first.job)
    );
}

pub(crate) async fn many_callers_at_once_are_all_answered_for_their_own_job(fixture: &Fixture) {
    let client = client(fixture, &keyring("k1")).await;
    let tasks: Vec<_> = (0..300)
        .map(|number| task(&(number % 200).to_string(), Act::Done))
        .collect();
    let adds = tasks.iter().map(|task| client.add(task, origin()));
    let receipts = futures_util::future::join_all(adds).await;
    for (task, receipt) in tasks.iter().zip(&receipts) {
        assert_eq!(receipt.as_ref().unwrap().job, id(&task.key));
    }
    let new = receipts
        .iter()
        .filter(|receipt| !receipt.as_ref().unwrap().duplicate)
        .count();
    assert_eq!((new, fixture.counts().await.ready), (200, 200));
}

pub(crate) async fn a_job_that_always_fails_dies_with_every_error(fixture: &Fixture) {
    assert_eq!(run_to_its_end(fixture, Act::Fail).await, [1, 2, 3]);
    let kept = until_dead(fixture, id("a")).await;
    assert_eq!(
        (reason(&kept), kept.attempts, kept.crashes),
        (Reason::Attempts, ATTEMPTS, 0)
    );
    let errors: Vec<_> = kept
        .errors
        .iter()
        .map(|failure| (failure.attempt, failure.error.as_str()))
        .collect();
    assert_eq!(
        errors,
        [
            (1, "attempt 1 failed"),
            (2, "attempt 2 failed"),
            (3, "attempt 3 failed")
        ]
    );
    assert_eq!(
        (counted(fixture, "retried").await, counted(fixture, "dead").await),
        (2, 1)
    );
}

pub(crate) async fn a_job_that_fails_at_first_is_run_again(fixture: &Fixture) {
    assert_eq!(run_to_its_end(fixture, Act::FailBefore(3)).await, [1, 2, 3]);
    until_ended(fixture, id("a")).await;
}

pub(crate) async fn being_told_when_costs_no_attempt(fixture: &Fixture) {
    assert_eq!(
        run_to_its_end(
            fixture,
            Act::PutOff {
                times: 2,
                as_asked: true
            }
        )
        .await,
        [1; 3]
    );
    until_ended(fixture, id("a")).await;
    assert_eq!(counted(fixture, "snoozed").await, 2);
}

pub(crate) async fn a_snooze_costs_no_attempt(fixture: &Fixture) {
    assert_eq!(
        run_to_its_end(
            fixture,
            Act::PutOff {
                times: 6,
                as_asked: false
            }
        )
        .await,
        [1; 7]
    );
    until_ended(fixture, id("a")).await;
}

/// Nothing else happens, so nothing but the word of it tells that a job will be due.
pub(crate) async fn a_job_that_is_due_soon_starts_then_although_all_was_quiet(fixture: &Fixture) {
    const AHEAD_MS: i64 = 60;
    /// Half of the rhythm in which is looked without a word.
    const LATE_MS: i64 = 500;
    let keyring = keyring("k1");
    let (stage, mut heard) = stage();
    let process = Plan::new(&keyring).start(fixture.another_handle().await, &stage);
    let client = client(fixture, &keyring).await;
    let mut late = Vec::new();
    for number in 0..6 {
        let at = Clock::System.now() + AHEAD_MS;
        let job = task(&number.to_string(), Act::Done);
        client.add_at(&job, origin(), at).await.unwrap();
        timeout(FAILURE_LIMIT, heard.recv()).await.expect("it runs").unwrap();
        late.push(Clock::System.now() - at);
    }
    process.end(GRACE).await;
    assert!(late.iter().all(|late| *late >= 0), "{late:?}");
    assert!(late.iter().min().is_some_and(|late| *late < LATE_MS), "{late:?}");
}

pub(crate) async fn a_job_that_gives_up_is_dead_at_once(fixture: &Fixture) {
    assert_eq!(run_to_its_end(fixture, Act::GiveUp).await, [1]);
    let kept = until_dead(fixture, id("a")).await;
    assert_eq!((reason(&kept), kept.attempts), (Reason::Refused, 1));
    assert_eq!(kept.errors[0].error, "no such contact");
}

pub(crate) async fn a_panic_is_a_failure_like_others(fixture: &Fixture) {
    assert_eq!(run_to_its_end(fixture, Act::PanicBefore(2)).await, [1, 2]);
    until_ended(fixture, id("a")).await;
}

pub(crate) async fn panics_use_up_the_attempts(fixture: &Fixture) {
    assert_eq!(run_to_its_end(fixture, Act::PanicBefore(9)).await, [1, 2, 3]);
    let kept = until_dead(fixture, id("a")).await;
    assert_eq!((reason(&kept), kept.errors.len()), (Reason::Attempts, 3));
    assert!(kept.errors.iter().all(|failure| failure.error.contains("panicked")));
    assert!(
        !kept.errors[0].error.contains("on purpose"),
        "a panic's words may hold anything"
    );
}

pub(crate) async fn a_run_that_takes_too_long_is_a_failure(fixture: &Fixture) {
    let keyring = keyring("k1");
    let (stage, _heard) = stage();
    let process = Plan::new(&keyring).start(fixture.another_handle().await, &stage);
    let receipt = client(fixture, &keyring).await.add(&Slow, origin()).await.unwrap();
    let kept = until_dead(fixture, receipt.job).await;
    assert_eq!((reason(&kept), kept.attempts), (Reason::Attempts, 2));
    assert!(
        kept.errors.iter().all(|failure| failure.error.contains("time-out")),
        "{:?}",
        kept.errors
    );
    assert_eq!(stage.stopped.load(Ordering::SeqCst), 2);
    process.end(GRACE).await;
}

pub(crate) async fn a_job_past_its_expiry_is_not_started(fixture: &Fixture) {
    let keyring = keyring("k1");
    let yesterday = Clock::Manual(Arc::new(AtomicI64::new(Clock::System.now() - 86_400_000)));
    let late = Client::new(fixture.another_handle().await, keyring.clone(), yesterday);
    let receipt = late.add(&Fresh, origin()).await.unwrap();
    let (stage, mut heard) = stage();
    let process = Plan::new(&keyring).start(fixture.another_handle().await, &stage);
    let kept = until_dead(fixture, receipt.job).await;
    assert_eq!((reason(&kept), kept.attempts), (Reason::Expired, 0));
    process.end(GRACE).await;
    assert!(heard.try_recv().is_err(), "it was started");
}

pub(crate) async fn a_payload_that_does_not_parse_is_dead_with_its_bytes(fixture: &Fixture) {
    let keyring = keyring("k1");
    let mangled = Mangled {
        phone: "+33612345678".into(),
    };
    let receipt = client(fixture, &keyring).await.add(&mangled, origin()).await.unwrap();
    let stored = fixture.kept(receipt.job).await.body;
    let (stage, _heard) = stage();
    let process = Plan::new(&keyring).start(fixture.another_handle().await, &stage);
    let kept = until_dead(fixture, receipt.job).await;
    assert_eq!((reason(&kept), kept.body), (Reason::Unreadable, stored));
    assert!(
        !kept.errors[0].error.contains("+336"),
        "an error shows no value: {}",
        kept.errors[0].error
    );
    process.end(GRACE).await;
}

pub(crate) async fn bytes_that_are_no_job_are_dead_as_they_are(fixture: &Fixture) {
    let keyring = keyring("k1");
    let body = vec![250, 1, 2, 3];
    let new = NewJob {
        id: id("raw"),
        queue: Queue::Default,
        tenant: TENANT,
        run_at: 0,
        keys: queue::Keys::default(),
        body: body.clone(),
    };
    assert_eq!(
        fixture.queue.add(&[new], Clock::System.now()).await.unwrap(),
        [Added::New]
    );
    let (stage, _heard) = stage();
    let process = Plan::new(&keyring).start(fixture.another_handle().await, &stage);
    let kept = until_dead(fixture, id("raw")).await;
    assert_eq!((reason(&kept), kept.body), (Reason::Unreadable, body));
    process.end(GRACE).await;
}

/// A process that cannot run the job parks it; one that can starts, opens its gates, and runs it.
async fn is_parked_until_somebody_can_run_it(
    fixture: &Fixture,
    gate: &str,
    cannot: Plan,
    can: Plan,
    keyring: &seal::Keyring,
) {
    let (stage, mut heard) = stage();
    let process = cannot.start(fixture.another_handle().await, &stage);
    let receipt = client(fixture, keyring)
        .await
        .add(&task("a", Act::Done), origin())
        .await
        .unwrap();
    until("the parking of the job", async || fixture.counts().await.parked == 1).await;
    let kept = fixture.kept(receipt.job).await;
    assert_eq!((kept.state, kept.attempts), (State::Parked { gate: gate.into() }, 0));
    process.end(GRACE).await;
    assert!(heard.try_recv().is_err());
    assert_eq!(counted(fixture, "parked").await, 1);

    let gates = [gate.to_owned()];
    assert_eq!(
        fixture.queue.gates(Queue::Default).await.unwrap(),
        [(gate.to_owned(), 1)]
    );
    let same = Plan::new(&can.keyring).runner(&stage);
    assert!(same.opens(gate) && !same.opens("kind:other"));
    let process = can.start(fixture.another_handle().await, &stage);
    assert_eq!(
        fixture
            .queue
            .unpark(Queue::Default, &gates, Clock::System.now())
            .await
            .unwrap(),
        1
    );
    until_ended(fixture, receipt.job).await;
    process.end(GRACE).await;
    assert_eq!(heard.try_recv().unwrap().1.number, 1);
}

pub(crate) async fn a_kind_nobody_knows_is_parked_until_somebody_does(fixture: &Fixture) {
    let keyring = keyring("k1");
    let cannot = Plan {
        registry: Registry::default().with::<Slow>(),
        ..Plan::new(&keyring)
    };
    is_parked_until_somebody_can_run_it(fixture, "kind:task", cannot, Plan::new(&keyring), &keyring).await;
}

pub(crate) async fn a_key_nobody_has_is_parked_until_somebody_does(fixture: &Fixture) {
    let (other, new) = (keyring("k1"), keyring("k2"));
    is_parked_until_somebody_can_run_it(fixture, "key:k2", Plan::new(&other), Plan::new(&new), &new).await;
}

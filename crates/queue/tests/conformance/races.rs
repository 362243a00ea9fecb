//! What holds when processes do things at the same time.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use queue::backend::{Added, Cancelled, Claimed, Counts, Outcome};
use queue::{Backend, JobId, Queue, QueueError};
use tokio::task::JoinSet;

use crate::support::fixture::{Fixture, LEASE_MS, OTHER_TENANT, settle};

const JOBS: usize = 20_000;

/// Asks again when the queue did not answer: with one writer at a time, who is unlucky may be told to come back. (A macro,
/// because the futures of a closure that borrows cannot be spawned.)
macro_rules! asked {
    ($call:expr) => {{
        let mut refusals = 0;
        loop {
            match $call.await {
                Err(QueueError::Unavailable(_)) if refusals < 20 => refusals += 1,
                answer => break answer.unwrap(),
            }
        }
    }};
}

/// Claims and settles until `left` is none; answers what it was given.
async fn drain(handle: Arc<dyn Backend>, request: queue::backend::ClaimRequest, left: Arc<AtomicUsize>) -> Vec<JobId> {
    let mut given = Vec::new();
    while left.load(Ordering::SeqCst) > 0 {
        let claims = asked!(handle.claim(&request));
        let Some(first) = claims.jobs.first() else {
            tokio::task::yield_now().await;
            continue;
        };
        let claim = first.ticket.claim;
        let settles: Vec<_> = claims.jobs.iter().map(|job| settle(job, Outcome::Done)).collect();
        let held = asked!(handle.settle(request.queue, &settles, &[claim], request.now));
        assert!(
            held.iter().all(|held| *held),
            "nobody else may hold what this claim holds"
        );
        left.fetch_sub(claims.jobs.len(), Ordering::SeqCst);
        given.extend(claims.jobs.iter().map(|job| job.id));
    }
    given
}

pub(crate) async fn no_job_is_handed_out_twice(fixture: &Fixture) {
    let mut added = BTreeSet::new();
    for round in 0..JOBS / 1000 {
        let tenant = [OTHER_TENANT, fixture.job("").tenant][round % 2];
        let jobs: Vec<_> = (0..1000)
            .map(|number| fixture.job_of(tenant, &format!("{round} {number}")))
            .collect();
        added.extend(jobs.iter().map(|job| job.id));
        fixture.add(&jobs).await;
    }
    let left = Arc::new(AtomicUsize::new(JOBS));
    let mut tasks = JoinSet::new();
    for handle in [fixture.another_handle().await, fixture.another_handle().await] {
        for want in [150, 250] {
            tasks.spawn(drain(Arc::clone(&handle), fixture.request(0, want), Arc::clone(&left)));
        }
    }
    let given: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(given.len(), JOBS);
    assert_eq!(given.into_iter().collect::<BTreeSet<_>>(), added);
    assert_eq!(fixture.counts().await, Counts::default());
}

pub(crate) async fn adds_and_claims_at_once_lose_nothing(fixture: &Fixture) {
    let total = 6000;
    let left = Arc::new(AtomicUsize::new(total));
    let mut drains = JoinSet::new();
    for handle in [fixture.another_handle().await, fixture.another_handle().await] {
        drains.spawn(drain(handle, fixture.request(0, 100), Arc::clone(&left)));
    }
    let mut adds = JoinSet::new();
    for adder in 0..2 {
        let handle = fixture.another_handle().await;
        let jobs = fixture.jobs(total / 2, &format!("adder {adder}"));
        let now = fixture.now();
        adds.spawn(async move {
            for jobs in jobs.chunks(50) {
                let added = asked!(handle.add(jobs, now));
                assert!(added.iter().all(|added| *added == Added::New));
            }
        });
    }
    adds.join_all().await;
    let given: Vec<_> = drains.join_all().await.into_iter().flatten().collect();
    assert_eq!(given.len(), total);
    assert_eq!(given.into_iter().collect::<BTreeSet<_>>().len(), total);
    assert_eq!(fixture.counts().await, Counts::default());
}

pub(crate) async fn of_many_adds_of_one_key_at_once_one_is_new(fixture: &Fixture) {
    let mut tasks = JoinSet::new();
    for process in 0..4 {
        let handle = fixture.another_handle().await;
        let mut jobs = fixture.jobs(40, "same");
        if process % 2 == 0 {
            jobs.reverse();
        }
        let now = fixture.now();
        tasks.spawn(async move {
            let mut news = 0;
            for _ in 0..5 {
                let added = asked!(handle.add(&jobs, now));
                news += added.iter().filter(|added| **added == Added::New).count();
            }
            news
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), 40);
    assert_eq!(fixture.counts().await.ready, 40);
    assert_eq!(fixture.claim(100).await.len(), 40);
}

/// Settles a claim in pieces, the last of which finishes it; answers what was held.
async fn settle_in_pieces(handle: Arc<dyn Backend>, claimed: Vec<Claimed>, now: i64) -> HashMap<JobId, bool> {
    let mut held = HashMap::new();
    let pieces: Vec<_> = claimed.chunks(10).collect();
    for (place, piece) in pieces.iter().enumerate() {
        let settles: Vec<_> = piece.iter().map(|job| settle(job, Outcome::Done)).collect();
        let finished: &[i64] = if place + 1 == pieces.len() {
            &[claimed[0].ticket.claim]
        } else {
            &[]
        };
        let answers = asked!(handle.settle(Queue::Default, &settles, finished, now));
        held.extend(piece.iter().map(|job| job.id).zip(answers));
    }
    held
}

pub(crate) async fn a_settle_and_a_rescue_at_once_never_both_have_the_job(fixture: &Fixture) {
    let (worker, rescuer) = (fixture.another_handle().await, fixture.another_handle().await);
    let (mut settled, mut rescued) = (0, 0);
    for round in 0..20 {
        fixture.add(&fixture.jobs(50, &round.to_string())).await;
        let mut claims: Vec<Vec<Claimed>> = Vec::new();
        while claims.iter().map(Vec::len).sum::<usize>() < 50 {
            claims.push(fixture.queue.claim(&fixture.request(0, 50)).await.unwrap().jobs);
        }
        fixture.advance(LEASE_MS + 1);
        let now = fixture.now();
        let mut tasks = JoinSet::new();
        for claimed in claims.iter().filter(|claimed| !claimed.is_empty()).cloned() {
            tasks.spawn(settle_in_pieces(Arc::clone(&worker), claimed, now));
        }
        let sweeper = Arc::clone(&rescuer);
        let sweep = tokio::spawn(async move {
            // Meets the settles at another point in every round.
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            sweeper.sweep(Queue::Default, now, 0.5).await.unwrap()
        });
        let held: HashMap<JobId, bool> = tasks.join_all().await.into_iter().flatten().collect();
        let swept = sweep.await.unwrap().rescued + fixture.sweep().await.rescued;
        for (id, held) in &held {
            let kept = fixture.find(*id).await;
            assert_eq!(
                kept.is_none(),
                *held,
                "round {round}: done if and only if the settle says so"
            );
            assert!(kept.is_none_or(|kept| kept.crashes == 1), "round {round}");
        }
        let done = held.values().filter(|held| **held).count();
        assert_eq!(done + swept, 50, "round {round}");
        (settled, rescued) = (settled + done, rescued + swept);
        // Out of the way of the next round.
        fixture.crash().await;
        while let crashed = fixture.claim_from(1, 100).await
            && !crashed.is_empty()
        {
            fixture.settle_all(&crashed, Outcome::Done).await;
        }
        assert_eq!(fixture.counts().await, Counts::default());
    }
    println!("{settled} settled, {rescued} rescued");
}

pub(crate) async fn two_rescuers_charge_a_crash_once(fixture: &Fixture) {
    let handles = [fixture.another_handle().await, fixture.another_handle().await];
    for round in 0..10 {
        fixture.add(&fixture.jobs(200, &round.to_string())).await;
        let mut ids = Vec::new();
        while ids.len() < 200 {
            ids.extend(fixture.claim(20).await.iter().map(|job| job.id));
        }
        fixture.advance(LEASE_MS + 1);
        let now = fixture.now();
        let mut tasks = JoinSet::new();
        for handle in &handles {
            let handle = Arc::clone(handle);
            tasks.spawn(async move { handle.sweep(Queue::Default, now, 0.5).await.unwrap().rescued });
        }
        let rescued: usize = tasks.join_all().await.into_iter().sum::<usize>() + fixture.sweep().await.rescued;
        assert_eq!(rescued, 200);
        for id in &ids {
            assert_eq!(fixture.kept(*id).await.crashes, 1);
        }
        for id in ids {
            assert_eq!(
                fixture.queue.cancel(id, fixture.now()).await.unwrap(),
                Cancelled::Removed
            );
        }
    }
}

pub(crate) async fn a_cancel_and_a_claim_at_once_never_both_have_the_job(fixture: &Fixture) {
    let jobs = fixture.jobs(300, "a");
    fixture.add(&jobs).await;
    let (worker, operator) = (fixture.another_handle().await, fixture.another_handle().await);
    let (request, now) = (fixture.request(0, 10), fixture.now());
    let claims = tokio::spawn(async move {
        let mut claimed = BTreeSet::new();
        let mut empty = 0;
        while empty < 3 {
            let claims = worker.claim(&request).await.unwrap();
            empty = if claims.jobs.is_empty() && !claims.more {
                empty + 1
            } else {
                0
            };
            claimed.extend(claims.jobs.iter().map(|job| job.id));
        }
        claimed
    });
    let mut removed = BTreeSet::new();
    for job in jobs.iter().rev() {
        if operator.cancel(job.id, now).await.unwrap() == Cancelled::Removed {
            removed.insert(job.id);
        }
    }
    let mut claimed = claims.await.unwrap();
    claimed.extend(fixture.claim(300).await.iter().map(|job| job.id));
    assert!(claimed.is_disjoint(&removed));
    assert_eq!(claimed.len() + removed.len(), 300);
    assert_eq!(
        fixture.counts().await,
        Counts {
            running: claimed.len() as u64,
            ..Counts::default()
        }
    );
}

pub(crate) async fn two_retries_of_one_dead_letter_at_once_make_one_job(fixture: &Fixture) {
    let handles = [fixture.another_handle().await, fixture.another_handle().await];
    for round in 0..20 {
        let dead = fixture.dead(&round.to_string()).await;
        let now = fixture.now();
        let mut tasks = JoinSet::new();
        for handle in &handles {
            let handle = Arc::clone(handle);
            tasks.spawn(async move { handle.retry_dead(dead, None, now).await.unwrap() });
        }
        let made = tasks.join_all().await.into_iter().filter(|made| *made).count();
        assert_eq!(made, 1);
        let claimed = fixture.claim_one().await;
        assert!(fixture.settle(&claimed, Outcome::Done).await);
    }
}

pub(crate) async fn an_unpark_by_every_process_at_once_lets_each_job_out_once(fixture: &Fixture) {
    fixture.add(&fixture.jobs(500, "a")).await;
    let claimed = fixture.claim(500).await;
    fixture
        .settle_all(&claimed, Outcome::Park { gate: "kind:x".into() })
        .await;
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let (handle, now) = (fixture.another_handle().await, fixture.now());
        tasks.spawn(async move { handle.unpark(Queue::Default, &["kind:x".into()], now).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<u64>(), 500);
    assert_eq!(
        fixture.counts().await,
        Counts {
            ready: 500,
            ..Counts::default()
        }
    );
    assert_eq!(fixture.claim(500).await.len(), 500);
}

pub(crate) async fn processes_may_all_start_at_once(fixture: &Fixture) {
    // Nobody has used the storage yet: whatever a first connection sets up, all of them set up now.
    let mut tasks = JoinSet::new();
    for number in 0..6 {
        let handle = fixture.another_handle().await;
        let (job, now) = (fixture.job(&number.to_string()), fixture.now());
        tasks.spawn(async move {
            let _wake = handle.wakes(Queue::Default);
            handle.add(&[job], now).await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await.concat(), [Added::New; 6]);
}

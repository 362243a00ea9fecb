//! Order keys: one job of a line at a time, in order, whatever happens to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use queue::backend::{Added, Cancelled, Claimed, DeadFilter, NewJob, Outcome, Reason, State};
use queue::clock::DAY_MS;
use queue::{AfterDeath, Backend, JobId, Keys, Queue};

use crate::support::fixture::{Fixture, OTHER_TENANT, at_once, failed, settle};

const GO_ON: AfterDeath = AfterDeath::GoOn;
const HOLD: AfterDeath = AfterDeath::Hold;

fn line(fixture: &Fixture, after_death: AfterDeath, count: usize) -> Vec<NewJob> {
    (0..count)
        .map(|number| fixture.ordered("line", after_death, &number.to_string()))
        .collect()
}

/// Adds a line; answers its ids.
async fn added(fixture: &Fixture, after_death: AfterDeath, count: usize) -> Vec<JobId> {
    let jobs = line(fixture, after_death, count);
    fixture.add(&jobs).await;
    jobs.iter().map(|job| job.id).collect()
}

pub(crate) fn dead() -> Outcome {
    Outcome::Dead {
        reason: Reason::Refused,
        error: Some("no".to_owned()),
    }
}

/// Runs what may start, one after the other, until nothing may; answers in which order.
async fn run_all(fixture: &Fixture) -> Vec<JobId> {
    let mut order = Vec::new();
    loop {
        let mut jobs = fixture.claim(10).await;
        for lane in [1, 2] {
            jobs.extend(fixture.claim_from(lane, 10).await);
        }
        if jobs.is_empty() {
            return order;
        }
        order.extend(jobs.iter().map(|job| job.id));
        for job in &jobs {
            assert!(fixture.settle_part(job, Outcome::Done).await);
        }
    }
}

pub(crate) async fn jobs_of_a_line_start_one_at_a_time_in_order(fixture: &Fixture) {
    let ids = added(fixture, GO_ON, 5).await;
    for id in &ids {
        let job = fixture.claim_one().await;
        assert_eq!(job.id, *id);
        assert_eq!(fixture.claim(5).await.len(), 0, "one at a time");
        assert!(fixture.settle(&job, Outcome::Done).await);
    }
    assert_eq!(fixture.counts().await, queue::backend::Counts::default());
}

pub(crate) async fn what_is_added_later_stands_behind(fixture: &Fixture) {
    let jobs = line(fixture, GO_ON, 4);
    fixture.add(&jobs[..1]).await;
    let head = fixture.claim_one().await;
    fixture.add(&jobs[1..2]).await;
    fixture.add(&jobs[2..]).await;
    assert_eq!(fixture.claim(5).await.len(), 0);
    assert!(fixture.settle(&head, Outcome::Done).await);
    let rest: Vec<_> = jobs[1..].iter().map(|job| job.id).collect();
    assert_eq!(run_all(fixture).await, rest);
    fixture.add_one(&fixture.ordered("line", GO_ON, "fresh")).await;
    assert_eq!(run_all(fixture).await.len(), 1, "a line that was empty begins anew");
}

pub(crate) async fn lines_do_not_wait_for_each_other(fixture: &Fixture) {
    let mut jobs = Vec::new();
    for name in ["a", "b", "c"] {
        jobs.extend(["1", "2"].map(|key| fixture.ordered(name, GO_ON, key)));
    }
    let keys = fixture.ordered("a", GO_ON, "1").keys;
    jobs.push(NewJob {
        keys: keys.clone(),
        ..fixture.job_of(OTHER_TENANT, "other tenant")
    });
    jobs.push(NewJob {
        keys,
        ..fixture.job_in(Queue::Bulk, "other queue")
    });
    fixture.add(&jobs).await;
    assert_eq!(fixture.claim(20).await.len(), 4);
    assert_eq!(fixture.queue.counts(Queue::Bulk).await.unwrap().ready, 1);
}

pub(crate) async fn who_waits_says_behind_whom(fixture: &Fixture) {
    let ids = added(fixture, GO_ON, 3).await;
    let head = fixture.claim_one().await;
    let counts = fixture.counts().await;
    assert_eq!((counts.behind, counts.ready, counts.running), (2, 0, 1));
    for id in &ids[1..] {
        let kept = fixture.kept(*id).await;
        assert_eq!(kept.state, State::Behind { head: ids[0] });
        assert_eq!(kept.keys, line(fixture, GO_ON, 1)[0].keys);
    }
    assert!(fixture.settle(&head, Outcome::Done).await);
    assert_eq!(fixture.kept(ids[1]).await.state, State::Ready);
    assert_eq!(fixture.kept(ids[2]).await.state, State::Behind { head: ids[1] });
    let listed = fixture.queue.list(queue::backend::ListRequest {
        limit: 10,
        ..Default::default()
    });
    let listed = listed.await.unwrap().items;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().any(|kept| kept.state == State::Behind { head: ids[1] }));
}

/// Retry, put off, parked, released: it comes back before anybody else.
pub(crate) async fn a_head_stays_the_head_until_it_has_ended(fixture: &Fixture) {
    let ids = added(fixture, GO_ON, 3).await;
    let gate = "g".to_owned();
    let outcomes = [
        failed(fixture.now() + 1000, "no"),
        Outcome::Park { gate: gate.clone() },
        Outcome::Release,
    ];
    for outcome in outcomes {
        let job = fixture.claim_one().await;
        assert_eq!(job.id, ids[0]);
        assert!(fixture.settle(&job, outcome.clone()).await);
        if outcome != Outcome::Release {
            assert_eq!(fixture.claim(5).await.len(), 0, "after {outcome:?}");
        }
        fixture.advance(1000);
        fixture.sweep().await;
        fixture
            .queue
            .unpark(Queue::Default, std::slice::from_ref(&gate), fixture.now())
            .await
            .unwrap();
    }
    assert_eq!(run_all(fixture).await, ids);
}

pub(crate) async fn a_crash_keeps_the_order(fixture: &Fixture) {
    let ids = added(fixture, GO_ON, 3).await;
    assert_eq!(fixture.claim_one().await.id, ids[0]);
    fixture.crash().await;
    assert_eq!(
        fixture.claim(5).await.len(),
        0,
        "the head waits in the lane of its crash"
    );
    let job = fixture.claim_one_from(1).await;
    assert_eq!(job.id, ids[0]);
    assert!(fixture.settle(&job, Outcome::Done).await);
    assert_eq!(run_all(fixture).await, ids[1..]);
}

pub(crate) async fn a_dead_head_lets_the_others_go_on(fixture: &Fixture) {
    let ids = added(fixture, GO_ON, 3).await;
    let head = fixture.claim_one().await;
    assert!(fixture.settle(&head, dead()).await);
    let next = fixture.claim_one().await;
    assert_eq!(next.id, ids[1]);
    assert!(fixture.queue.retry_dead(ids[0], None, fixture.now()).await.unwrap());
    assert_eq!(fixture.kept(ids[0]).await.state, State::Behind { head: ids[1] });
    assert!(fixture.settle(&next, Outcome::Done).await);
    assert_eq!(run_all(fixture).await, [ids[2], ids[0]], "the retried one is the last");
}

pub(crate) async fn a_poisoned_head_lets_the_others_go_on(fixture: &Fixture) {
    let ids = added(fixture, GO_ON, 2).await;
    for lane in 0..3 {
        fixture.claim_one_from(lane).await;
        fixture.crash().await;
    }
    assert_eq!(fixture.claim_one().await.id, ids[1]);
}

pub(crate) async fn a_line_that_holds_waits_for_its_dead_head(fixture: &Fixture) {
    let ids = added(fixture, HOLD, 3).await;
    let head = fixture.claim_one().await;
    assert!(fixture.settle(&head, dead()).await);
    assert_eq!(fixture.claim(5).await.len(), 0);
    assert_eq!(fixture.kept(ids[1]).await.state, State::Behind { head: ids[0] });
    assert!(fixture.queue.retry_dead(ids[0], None, fixture.now()).await.unwrap());
    assert_eq!(run_all(fixture).await, ids);
}

pub(crate) async fn a_line_that_holds_goes_on_when_its_dead_head_is_removed(fixture: &Fixture) {
    let ids = added(fixture, HOLD, 3).await;
    for id in &ids[..2] {
        let head = fixture.claim_one().await;
        assert!(fixture.settle(&head, dead()).await);
        assert_eq!(fixture.claim(5).await.len(), 0);
        if *id == ids[0] {
            assert!(fixture.queue.delete_dead(*id).await.unwrap());
        } else {
            fixture.advance(10);
            assert_eq!(fixture.purge(fixture.now()).await, 1);
        }
    }
    assert_eq!(run_all(fixture).await, ids[2..]);
}

/// Whether its key is still known is the backend's choice: it was kept for its seven days.
pub(crate) async fn the_namesake_of_an_old_dead_head_neither_passes_its_line_nor_breaks_it(fixture: &Fixture) {
    for (line, is_cancelled) in [("cancelled", true), ("left", false)] {
        let jobs = ["first", "second"].map(|key| fixture.ordered(line, HOLD, &format!("{line} {key}")));
        fixture.add(&jobs).await;
        let head = fixture.claim_one().await;
        assert!(fixture.settle(&head, dead()).await);
        fixture.advance(12 * DAY_MS);
        fixture.purge(0).await;
        let mut expected = vec![jobs[1].id];
        if fixture.add_one(&jobs[0]).await == Added::New {
            let retried = fixture.queue.retry_dead(head.id, None, fixture.now()).await.unwrap();
            assert!(!retried, "two jobs of one id would be alive");
            if is_cancelled {
                let cancelled = fixture.queue.cancel(head.id, fixture.now()).await.unwrap();
                assert_eq!(cancelled, Cancelled::Removed);
            } else {
                expected.push(head.id);
            }
        }
        assert_eq!(fixture.claim(5).await.len(), 0, "the line waits for its dead head");
        assert_eq!(fixture.kept(jobs[1].id).await.state, State::Behind { head: head.id });
        let letters = fixture
            .queue
            .list_dead(&DeadFilter::default(), None, 10)
            .await
            .unwrap()
            .items;
        assert_eq!(letters.iter().map(|kept| kept.id).collect::<Vec<_>>(), [head.id]);
        assert!(fixture.queue.delete_dead(head.id).await.unwrap());
        assert_eq!(run_all(fixture).await, expected);
    }
    assert_eq!(fixture.counts().await, queue::backend::Counts::default());
}

pub(crate) async fn a_cancelled_head_lets_the_next_follow(fixture: &Fixture) {
    let ids = added(fixture, HOLD, 4).await;
    let cancel = async |id: JobId| fixture.queue.cancel(id, fixture.now()).await.unwrap();
    assert_eq!(cancel(ids[0]).await, Cancelled::Removed);
    let head = fixture.claim_one().await;
    assert_eq!(head.id, ids[1]);
    assert_eq!(
        cancel(ids[2]).await,
        Cancelled::Removed,
        "it waits behind and never starts"
    );
    assert!(fixture.settle(&head, failed(fixture.now() + 60_000, "no")).await);
    assert_eq!(cancel(ids[1]).await, Cancelled::Removed, "it waits for its retry");
    assert_eq!(run_all(fixture).await, ids[3..]);
    assert_eq!(fixture.counts().await, queue::backend::Counts::default());
}

pub(crate) async fn a_job_for_later_joins_its_line_when_it_is_due(fixture: &Fixture) {
    let jobs = line(fixture, GO_ON, 3);
    let later = NewJob {
        run_at: fixture.now() + 1000,
        ..jobs[0].clone()
    };
    fixture.add(&[later, jobs[1].clone()]).await;
    let head = fixture.claim_one().await;
    assert_eq!(head.id, jobs[1].id, "nobody waits for what is not due");
    fixture.advance(1000);
    fixture.sweep().await;
    assert_eq!(fixture.kept(jobs[0].id).await.state, State::Behind { head: head.id });
    fixture.add(&jobs[2..]).await;
    assert!(fixture.settle(&head, Outcome::Done).await);
    assert_eq!(run_all(fixture).await, [jobs[0].id, jobs[2].id]);
}

pub(crate) async fn a_job_for_later_may_be_cancelled_before_it_joins(fixture: &Fixture) {
    let jobs = line(fixture, GO_ON, 2);
    let later = NewJob {
        run_at: fixture.now() + 1000,
        ..jobs[0].clone()
    };
    fixture.add(&[later, jobs[1].clone()]).await;
    let cancelled = fixture.queue.cancel(jobs[0].id, fixture.now()).await.unwrap();
    assert_eq!(cancelled, Cancelled::Removed);
    fixture.advance(2000);
    fixture.sweep().await;
    assert_eq!(run_all(fixture).await, [jobs[1].id]);
}

pub(crate) async fn a_line_may_stand_under_a_limit(fixture: &Fixture) {
    fixture.set_limit("cap", at_once(2)).await;
    let mut jobs = Vec::new();
    for name in ["a", "b", "c"] {
        jobs.extend(["1", "2"].map(|key| {
            let job = fixture.ordered(name, GO_ON, key);
            let limit = fixture.limited("cap", "").keys.limit;
            NewJob {
                keys: Keys {
                    limit,
                    ..job.keys.clone()
                },
                ..job
            }
        }));
    }
    fixture.add(&jobs).await;
    let mut ended: Vec<JobId> = Vec::new();
    while ended.len() < jobs.len() {
        let running = fixture.claim(10).await;
        assert!((1..=2).contains(&running.len()), "{} at once", running.len());
        fixture.settle_all(&running, Outcome::Done).await;
        ended.extend(running.iter().map(|job| job.id));
    }
    for pair in jobs.chunks(2) {
        let place = |job: &NewJob| ended.iter().position(|id| *id == job.id);
        assert!(place(&pair[0]) < place(&pair[1]));
    }
}

pub(crate) async fn a_long_line_is_worked_off(fixture: &Fixture) {
    let mut ids = Vec::new();
    for jobs in line(fixture, GO_ON, 2500).chunks(1000) {
        fixture.add(jobs).await;
        ids.extend(jobs.iter().map(|job| job.id));
    }
    let counts = fixture.counts().await;
    assert_eq!((counts.ready, counts.behind), (1, 2499));
    for id in &ids[..50] {
        let job = fixture.claim_one().await;
        assert_eq!(job.id, *id);
        assert!(fixture.settle(&job, Outcome::Done).await);
    }
}

/// Adds and ends of the same lines from eight processes: nobody is left behind, no two run at once.
pub(crate) async fn adds_and_ends_at_once_leave_nobody_behind(fixture: &Fixture) {
    const LINES: usize = 4;
    const EACH: usize = 60;
    let running: Arc<Mutex<BTreeMap<Option<String>, usize>>> = Arc::default();
    let ended = Arc::new(Mutex::new(Vec::new()));
    let adders = (0..LINES).map(|name| {
        let jobs: Vec<_> = (0..EACH)
            .map(|number| fixture.ordered(&name.to_string(), GO_ON, &number.to_string()))
            .collect();
        async move {
            let handle = fixture.another_handle().await;
            for part in jobs.chunks(3) {
                handle.add(part, fixture.now()).await.unwrap();
            }
        }
    });
    let workers = (0..4).map(|_| {
        let (running, ended) = (Arc::clone(&running), Arc::clone(&ended));
        async move {
            let handle = fixture.another_handle().await;
            while ended.lock().unwrap().len() < LINES * EACH {
                work(fixture, &*handle, &running, &ended).await;
            }
        }
    });
    let all = async {
        tokio::join!(
            futures_util::future::join_all(adders),
            futures_util::future::join_all(workers)
        );
    };
    let limit = crate::support::fixture::FAILURE_LIMIT;
    if tokio::time::timeout(limit, all).await.is_err() {
        let counts = fixture.counts().await;
        panic!("{} of {} ended; {counts:?}", ended.lock().unwrap().len(), LINES * EACH);
    }
    let ended = ended.lock().unwrap();
    for name in 0..LINES {
        let key = |number: usize| fixture.ordered(&name.to_string(), GO_ON, &number.to_string()).id;
        let order: Vec<_> = ended
            .iter()
            .filter(|id| (0..EACH).any(|n| key(n) == **id))
            .copied()
            .collect();
        assert_eq!(order, (0..EACH).map(key).collect::<Vec<_>>(), "line {name}");
    }
}

/// One claim and its settle, watching that no line runs twice at once.
async fn work(
    fixture: &Fixture,
    handle: &dyn Backend,
    running: &Mutex<BTreeMap<Option<String>, usize>>,
    ended: &Mutex<Vec<JobId>>,
) {
    let name = |job: &Claimed| job.keys.order.as_ref().map(|order| order.key.to_string());
    let claims = handle.claim(&fixture.request(0, 2)).await.unwrap();
    for job in &claims.jobs {
        let mut running = running.lock().unwrap();
        let here = running.entry(name(job)).or_default();
        *here += 1;
        assert_eq!(*here, 1, "two of one line at once");
    }
    for job in &claims.jobs {
        *running.lock().unwrap().entry(name(job)).or_default() -= 1;
        ended.lock().unwrap().push(job.id);
    }
    let settles: Vec<_> = claims.jobs.iter().map(|job| settle(job, Outcome::Done)).collect();
    let held = handle
        .settle(Queue::Default, &settles, &[], fixture.now())
        .await
        .unwrap();
    assert!(held.iter().all(|held| *held));
}

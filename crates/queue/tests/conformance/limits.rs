//! Limit keys: how many at once, how many in a time, and who waits meanwhile.

use std::collections::BTreeMap;

use queue::backend::{CRASH_BACKOFF, Claimed, NewJob, Outcome, Reason, State};
use queue::clock::millis;
use queue::flow::Missed;
use queue::{JobId, Key, Keys, Limit, LimitState, Millis, Queue, Rate};
use uuid::Uuid;

use crate::support::fixture::{Fixture, LEASE_MS, OTHER_TENANT, TENANT, a_second, at_once, failed, settle};

fn limited_jobs(fixture: &Fixture, count: usize, limit: &str) -> Vec<NewJob> {
    (0..count)
        .map(|number| fixture.limited(limit, &number.to_string()))
        .collect()
}

fn of_tenant(tenant: Uuid, fixture: &Fixture, limit: &str, key: &str) -> NewJob {
    NewJob {
        keys: fixture.limited(limit, key).keys,
        ..fixture.job_of(tenant, key)
    }
}

fn cooled(run_at: Millis) -> Outcome {
    Outcome::Later {
        run_at,
        error: None,
        cool: true,
    }
}

async fn limits(fixture: &Fixture) -> Vec<LimitState> {
    fixture.queue.limits(Queue::Default, fixture.now()).await.unwrap()
}

pub(crate) async fn a_key_without_a_limit_holds_nothing_back(fixture: &Fixture) {
    fixture.add(&limited_jobs(fixture, 100, "free")).await;
    let jobs = fixture.claim(100).await;
    assert_eq!(jobs.len(), 100);
    assert_eq!(jobs[0].keys, fixture.limited("free", "0").keys);
    assert!(fixture.settle_all(&jobs, Outcome::Done).await.iter().all(|held| *held));
    assert_eq!(limits(fixture).await, []);
}

pub(crate) async fn no_more_than_its_concurrency_runs_of_a_key(fixture: &Fixture) {
    fixture.set_limit("few", at_once(3)).await;
    fixture.add(&limited_jobs(fixture, 10, "few")).await;
    assert_eq!(fixture.claim(2).await.len(), 2);
    assert_eq!(fixture.claim(10).await.len(), 1);
    assert_eq!(fixture.claim(10).await.len(), 0);
    assert_eq!(fixture.counts().await.ready, 7);
}

/// Each way of ending but one: what goes on later must not stand in the way of the others meanwhile.
pub(crate) async fn every_end_of_a_run_makes_room(fixture: &Fixture) {
    fixture.set_limit("one", at_once(1)).await;
    fixture.add(&limited_jobs(fixture, 7, "one")).await;
    let later = fixture.now() + 60_000;
    let dead = Outcome::Dead {
        reason: Reason::Refused,
        error: None,
    };
    let ends = [
        Outcome::Done,
        failed(later, "no"),
        dead,
        Outcome::Park { gate: "g".to_owned() },
        Outcome::Release,
    ];
    for end in ends {
        let job = fixture.claim_one().await;
        assert!(fixture.settle(&job, end).await);
    }
    let job = fixture.claim_one().await;
    assert_eq!(limits(fixture).await[0].running, 1);
    fixture.queue.cancel(job.id, fixture.now()).await.unwrap();
    assert!(fixture.settle(&job, Outcome::Release).await);
    assert_eq!(fixture.claim(10).await.len(), 1);
}

pub(crate) async fn a_crash_gives_its_room_back_when_the_lease_has_ended(fixture: &Fixture) {
    fixture.set_limit("few", at_once(3)).await;
    fixture.add(&limited_jobs(fixture, 10, "few")).await;
    assert_eq!(fixture.claim(10).await.len(), 3);
    fixture.advance(LEASE_MS + 1);
    assert_eq!(fixture.claim(10).await.len(), 0);
    fixture.sweep().await;
    assert_eq!(fixture.claim(10).await.len(), 3);
    assert_eq!(limits(fixture).await[0].running, 3);
}

pub(crate) async fn a_stale_finish_makes_no_room(fixture: &Fixture) {
    fixture.set_limit("one", at_once(1)).await;
    fixture.add(&limited_jobs(fixture, 3, "one")).await;
    let lost = fixture.claim_one().await;
    fixture.crash().await;
    let held = fixture.claim_one_from(0).await;
    assert!(!fixture.settle(&lost, Outcome::Done).await);
    assert_eq!(fixture.claim(10).await.len() + fixture.claim_from(1, 10).await.len(), 0);
    assert!(fixture.settle(&held, Outcome::Done).await);
    assert_eq!(fixture.claim(10).await.len() + fixture.claim_from(1, 10).await.len(), 1);
}

/// A job of a key that crashed once and is ready again, while jobs that did not crash use all that the key allows.
async fn crashed_under(fixture: &Fixture, key: &str) -> (JobId, Vec<Claimed>) {
    fixture.set_limit(key, at_once(1)).await;
    for tenant in [TENANT, OTHER_TENANT] {
        let jobs = (0..100).map(|number| of_tenant(tenant, fixture, key, &number.to_string()));
        fixture.add(&jobs.collect::<Vec<_>>()).await;
    }
    let crashed = fixture.claim(1).await.remove(0).id;
    fixture.advance(LEASE_MS + 1);
    fixture.sweep().await;
    let running = fixture.claim(1).await;
    fixture.advance(millis(CRASH_BACKOFF.cap));
    let claims: Vec<_> = running.iter().map(|claimed| claimed.ticket.claim).collect();
    let until = fixture.now() + LEASE_MS;
    fixture.queue.renew(Queue::Default, &claims, until).await.unwrap();
    fixture.sweep().await;
    (crashed, running)
}

/// Whoever settles a job claims the next of its lane in the same call.
async fn next(fixture: &Fixture, running: &[Claimed]) -> Vec<Claimed> {
    let settles: Vec<_> = running.iter().map(|claimed| settle(claimed, Outcome::Done)).collect();
    let finished: Vec<_> = running.iter().map(|claimed| claimed.ticket.claim).collect();
    let step = fixture.queue.step(&settles, &finished, &fixture.request(0, 1)).await;
    let (held, claims) = step.unwrap();
    assert!(held.iter().all(|held| *held));
    if claims.jobs.is_empty() && claims.more {
        return fixture.claim(1).await;
    }
    claims.jobs
}

pub(crate) async fn a_crashed_job_gets_its_turn_although_its_key_is_always_full(fixture: &Fixture) {
    let (crashed, mut running) = crashed_under(fixture, "one").await;
    let mut rounds = 0;
    let suspect = loop {
        if let Some(suspect) = fixture.claim_from(1, 1).await.into_iter().next() {
            break suspect;
        }
        rounds += 1;
        assert!(rounds < 50, "it waits for ever");
        fixture.advance(10);
        running = next(fixture, &running).await;
    };
    assert_eq!((suspect.id, rounds, running.len()), (crashed, 1, 0));
    assert_eq!(next(fixture, &[suspect]).await.len(), 1, "the others go on");
}

pub(crate) async fn room_is_left_for_a_crashed_job_only_as_long_as_somebody_may_come_for_it(fixture: &Fixture) {
    let (_, running) = crashed_under(fixture, "one").await;
    assert_eq!(fixture.claim_from(1, 1).await.len(), 0);
    assert_eq!(next(fixture, &running).await.len(), 0);
    let seen = fixture.now();
    fixture.advance(9_999);
    assert_eq!(fixture.claim(1).await.len(), 0);
    fixture.advance(1);
    let mut running = fixture.claim(1).await;
    assert_eq!(running.len(), 1, "{} ms after there was room", fixture.now() - seen);
    for round in 0..10 {
        fixture.advance(1);
        running = next(fixture, &running).await;
        assert_eq!(running.len(), 1, "in round {round}");
    }
}

pub(crate) async fn a_concurrency_of_nothing_lets_none_start(fixture: &Fixture) {
    fixture.set_limit("none", at_once(0)).await;
    fixture.add(&limited_jobs(fixture, 3, "none")).await;
    assert_eq!(fixture.claim(10).await.len(), 0);
    fixture.set_limit("none", None).await;
    assert_eq!(fixture.claim(10).await.len(), 3);
}

pub(crate) async fn a_closed_key_holds_up_nobody_else(fixture: &Fixture) {
    fixture.set_limit("closed", at_once(0)).await;
    for jobs in limited_jobs(fixture, 5000, "closed").chunks(1000) {
        fixture.add(jobs).await;
    }
    fixture.add(&fixture.jobs(50, "free")).await;
    fixture.add(&limited_jobs(fixture, 50, "open")).await;
    fixture.add_one(&fixture.job_of(OTHER_TENANT, "other")).await;
    let jobs = fixture.claim(200).await;
    assert_eq!(jobs.len(), 101);
    assert_eq!(fixture.claim(10).await.len(), 0);
    assert_eq!(fixture.counts().await.ready, 5000);
}

pub(crate) async fn tenants_share_a_key_and_take_turns(fixture: &Fixture) {
    fixture.set_limit("shared", at_once(2)).await;
    for tenant in [TENANT, OTHER_TENANT] {
        let jobs = (0..40).map(|number| of_tenant(tenant, fixture, "shared", &number.to_string()));
        fixture.add(&jobs.collect::<Vec<_>>()).await;
    }
    let mut served: BTreeMap<Uuid, usize> = BTreeMap::new();
    for _ in 0..20 {
        let jobs = fixture.claim(10).await;
        assert_eq!(jobs.len(), 2);
        jobs.iter().for_each(|job| *served.entry(job.tenant).or_default() += 1);
        fixture.settle_all(&jobs, Outcome::Done).await;
    }
    assert!(
        served.len() == 2 && served.values().all(|jobs| *jobs >= 10),
        "{served:?}"
    );
}

pub(crate) async fn processes_share_a_key(fixture: &Fixture) {
    fixture.set_limit("shared", at_once(5)).await;
    fixture.add(&limited_jobs(fixture, 100, "shared")).await;
    let mut handles = Vec::new();
    for _ in 0..8 {
        handles.push(fixture.another_handle().await);
    }
    let request = fixture.request(0, 3);
    let claims = handles.iter().map(|handle| handle.claim(&request));
    let claims = futures_util::future::join_all(claims).await;
    let started: usize = claims.iter().map(|claims| claims.as_ref().unwrap().jobs.len()).sum();
    assert!(started <= 5, "{started} at once");
    assert_eq!(started + fixture.claim(10).await.len(), 5);
}

/// Starts of a key over ten seconds, looking whenever a claim said that the key opens.
async fn starts(fixture: &Fixture, want: usize) -> Vec<Millis> {
    let (began, mut starts) = (fixture.now(), Vec::new());
    while fixture.now() < began + 10_000 {
        let claims = fixture.queue.claim(&fixture.request(0, want)).await.unwrap();
        starts.extend(claims.jobs.iter().map(|job| job.starts_at));
        fixture.settle_all(&claims.jobs, Outcome::Done).await;
        if claims.jobs.len() < want && !claims.more {
            let opens_at = claims.opens_at.expect("a closed key with waiting jobs opens some time");
            assert!(opens_at > fixture.now());
            // Nobody looks at the very millisecond.
            fixture.advance(opens_at + 2 - fixture.now());
        }
    }
    starts.retain(|start| *start < began + 10_000);
    starts
}

pub(crate) async fn a_rate_is_used_up_and_never_exceeded(fixture: &Fixture) {
    fixture.set_limit("rate", a_second(100)).await;
    for jobs in limited_jobs(fixture, 1500, "rate").chunks(500) {
        fixture.add(jobs).await;
    }
    let starts = starts(fixture, 50).await;
    assert!(starts.len() >= 950, "{} in ten seconds", starts.len());
    for (index, first) in starts.iter().enumerate() {
        let within = starts[index..]
            .iter()
            .take_while(|start| **start < first + 1000)
            .count();
        assert!(within <= 100, "{within} within a second");
    }
}

pub(crate) async fn a_slow_rate_lets_one_start_at_a_time(fixture: &Fixture) {
    fixture
        .set_limit(
            "slow",
            Some(Limit {
                rate: Rate::new(6, std::time::Duration::from_secs(60)),
                concurrency: None,
            }),
        )
        .await;
    fixture.add(&limited_jobs(fixture, 5, "slow")).await;
    let first = fixture.claim_one().await.starts_at;
    assert_eq!(first, fixture.now());
    let closed = fixture.queue.claim(&fixture.request(0, 5)).await.unwrap();
    assert!(closed.jobs.is_empty() && !closed.more);
    let opens_at = closed.opens_at.unwrap();
    assert!((first + 9_900..first + 10_000).contains(&opens_at), "shortly before");
    fixture.advance(9_899);
    assert_eq!(fixture.claim(5).await.len(), 0);
    fixture.advance(opens_at - fixture.now());
    let next: Vec<_> = fixture.claim(5).await.iter().map(|job| job.starts_at).collect();
    assert_eq!(next, [first + 10_004], "a span lasts 20 ms longer");
    fixture.advance(60_000);
    assert_eq!(
        fixture.claim_one().await.starts_at,
        fixture.now(),
        "nothing is caught up"
    );
}

pub(crate) async fn a_rate_is_kept_by_all_processes_together(fixture: &Fixture) {
    fixture.set_limit("rate", a_second(10)).await;
    fixture.add(&limited_jobs(fixture, 100, "rate")).await;
    let (another, began) = (fixture.another_handle().await, fixture.now());
    let mut starts = Vec::new();
    for _ in 0..100 {
        let (one, other) = (fixture.request(0, 5), fixture.request(0, 5));
        let (one, other) = tokio::join!(fixture.queue.claim(&one), another.claim(&other));
        let jobs = one.unwrap().jobs.into_iter().chain(other.unwrap().jobs);
        starts.extend(jobs.map(|job| job.starts_at - began));
        fixture.advance(20);
    }
    // A fiftieth less often.
    let every: Vec<_> = (0..starts.len() as i64).map(|start| 102 * start).collect();
    assert_eq!(starts, every);
    assert!((20..=21).contains(&starts.len()), "{} for two seconds", starts.len());
}

pub(crate) async fn a_start_that_was_missed_goes_behind_those_that_are_reserved(fixture: &Fixture) {
    fixture.set_limit("rate", a_second(20)).await;
    fixture.add(&limited_jobs(fixture, 6, "rate")).await;
    let began = fixture.now();
    let starts: Vec<_> = fixture.claim(5).await.iter().map(|job| job.starts_at - began).collect();
    assert_eq!(starts, [0, 51]);
    fixture.advance(60);
    let again = |key, starts_at| {
        let (key, now) = (Key::new(key).unwrap(), fixture.now());
        let missed = Missed {
            starts_at,
            now,
            latest: now + 100,
        };
        async move { fixture.queue.reserve_again(Queue::Default, &key, missed).await.unwrap() - began }
    };
    assert_eq!(again("rate", began).await, 102, "behind the other one");
    assert_eq!(again("rate", began).await, 153, "and behind that");
    assert_eq!(again("rate", began).await, 204, "which is too late to be reserved");
    assert_eq!(
        fixture.claim(5).await.len(),
        0,
        "they come before what is claimed later"
    );
    fixture.advance(300);
    let moved = again("rate", began + 153).await;
    assert_eq!(moved, 360, "nothing comes after it");
    let next = fixture.claim(5).await;
    let starts: Vec<_> = next.iter().map(|job| job.starts_at - began).collect();
    assert_eq!(starts, [411]);
    let in_a_while = fixture.now() + 30_000;
    assert!(fixture.settle_part(&next[0], cooled(in_a_while)).await);
    assert_eq!(again("rate", began + 360).await, 30_360, "not while it is cooled");
    fixture.set_limit("rate", at_once(5)).await;
    assert_eq!(again("rate", began + 411).await, 30_360, "there is no rate any more");
    assert_eq!(again("another", began).await, 360);
}

pub(crate) async fn rate_and_concurrency_of_a_key_both_hold(fixture: &Fixture) {
    let rate = a_second(100).unwrap().rate;
    fixture
        .set_limit(
            "both",
            Some(Limit {
                rate,
                concurrency: Some(2),
            }),
        )
        .await;
    fixture.add(&limited_jobs(fixture, 20, "both")).await;
    let jobs = fixture.claim(10).await;
    assert_eq!(jobs.len(), 2);
    fixture.advance(1000);
    assert_eq!(fixture.claim(10).await.len(), 0);
    fixture.settle_all(&jobs, Outcome::Done).await;
    assert_eq!(fixture.claim(10).await.len(), 2);
}

pub(crate) async fn a_provider_that_says_when_closes_its_whole_key(fixture: &Fixture) {
    fixture.add(&limited_jobs(fixture, 5, "account")).await;
    fixture.add(&limited_jobs(fixture, 5, "another")).await;
    let (one, other): (Vec<Claimed>, Vec<Claimed>) = fixture
        .claim(2)
        .await
        .into_iter()
        .partition(|job| job.keys == fixture.limited("account", "").keys);
    let job = one.first().or(other.first()).unwrap();
    let key = job.keys.limit.clone();
    let until = fixture.now() + 30_000;
    assert!(fixture.settle_part(job, cooled(until)).await);
    let rest = fixture.claim(20).await;
    assert!(
        !rest.is_empty() && rest.iter().all(|job| job.keys.limit != key),
        "its key is cooled"
    );
    let told = fixture.queue.claim(&fixture.request(0, 5)).await.unwrap();
    assert_eq!(told.opens_at, Some(until));
    fixture.advance(30_000);
    fixture.sweep().await;
    let later = fixture.claim(20).await;
    assert!(
        later.len() >= 4 && later.iter().all(|job| job.keys.limit == key),
        "its time has come"
    );
}

pub(crate) async fn a_key_is_cooled_for_the_longest_time_that_was_said(fixture: &Fixture) {
    fixture.add(&limited_jobs(fixture, 4, "account")).await;
    let jobs = fixture.claim(2).await;
    let now = fixture.now();
    assert!(fixture.settle_part(&jobs[0], cooled(now + 30_000)).await);
    assert!(fixture.settle_part(&jobs[1], cooled(now + 10_000)).await);
    assert_eq!(limits(fixture).await[0].cooled_until, Some(now + 30_000));
    fixture.advance(20_000);
    fixture.sweep().await;
    assert_eq!(fixture.claim(10).await.len(), 0);
    fixture.advance(10_000);
    fixture.sweep().await;
    assert_eq!(fixture.claim(10).await.len(), 4);
    assert_eq!(limits(fixture).await[0].cooled_until, None);
}

pub(crate) async fn a_changed_limit_counts_at_once(fixture: &Fixture) {
    fixture.add(&limited_jobs(fixture, 50, "key")).await;
    fixture.set_limit("key", at_once(1)).await;
    assert_eq!(fixture.claim(10).await.len(), 1);
    fixture.set_limit("key", at_once(4)).await;
    assert_eq!(fixture.claim(10).await.len(), 3);
    fixture.set_limit("key", at_once(2)).await;
    assert_eq!(fixture.claim(10).await.len(), 0);
    let hourly = Rate::new(1, std::time::Duration::from_secs(3600));
    fixture
        .set_limit(
            "key",
            Some(Limit {
                rate: hourly,
                concurrency: None,
            }),
        )
        .await;
    assert_eq!(fixture.claim(10).await.len(), 1);
    assert_eq!(fixture.claim(10).await.len(), 0);
    fixture.set_limit("key", a_second(100)).await;
    fixture.advance(200);
    let now = fixture.now();
    let at_once = fixture.claim(10).await.into_iter().filter(|job| job.starts_at <= now);
    assert_eq!(at_once.count(), 1, "the hour is forgotten");
    fixture.set_limit("key", None).await;
    assert!(fixture.claim(50).await.len() >= 30, "the limit was removed");
    assert_eq!(fixture.counts().await.ready, 0);
}

pub(crate) async fn limits_are_shown_as_they_stand(fixture: &Fixture) {
    let hourly = Limit {
        rate: Rate::new(1, std::time::Duration::from_secs(3600)),
        concurrency: Some(7),
    };
    fixture.set_limit("set", Some(hourly)).await;
    fixture.add(&limited_jobs(fixture, 3, "set")).await;
    fixture.add(&limited_jobs(fixture, 1, "used")).await;
    assert_eq!(fixture.claim(10).await.len(), 2);
    let shown = limits(fixture).await;
    let names: Vec<_> = shown.iter().map(|state| state.key.as_str()).collect();
    assert_eq!(names, ["set", "used"]);
    assert_eq!((shown[0].limit, shown[0].running), (hourly, 1));
    let in_an_hour = fixture.now() + 3_600_000;
    assert!(
        shown[0]
            .rate_opens_at
            .is_some_and(|at| (in_an_hour - 100..=in_an_hour).contains(&at))
    );
    assert_eq!(
        (shown[1].limit, shown[1].running, shown[1].rate_opens_at),
        (Limit::default(), 1, None)
    );
    let other = fixture.queue.limits(Queue::Bulk, fixture.now()).await.unwrap();
    assert_eq!(other, [], "limits are of one queue");
}

pub(crate) async fn a_job_keeps_its_key_whatever_happens_to_it(fixture: &Fixture) {
    let job = fixture.limited("key", "it");
    fixture.add_one(&job).await;
    let check = async || assert_eq!(fixture.kept(job.id).await.keys, job.keys);
    check().await;
    let claimed = fixture.claim_one().await;
    check().await;
    assert!(fixture.settle(&claimed, failed(fixture.now() + 10, "no")).await);
    check().await;
    fixture.advance(10);
    fixture.sweep().await;
    let claimed = fixture.claim_one().await;
    assert!(fixture.settle(&claimed, Outcome::Park { gate: "g".to_owned() }).await);
    check().await;
    fixture
        .queue
        .unpark(Queue::Default, &["g".to_owned()], fixture.now())
        .await
        .unwrap();
    fixture.claim_one().await;
    fixture.crash().await;
    let claimed = fixture.claim_one_from(1).await;
    assert_eq!(claimed.keys, job.keys);
    let dead = Outcome::Dead {
        reason: Reason::Refused,
        error: None,
    };
    assert!(fixture.settle(&claimed, dead).await);
    check().await;
    assert!(fixture.queue.retry_dead(job.id, None, fixture.now()).await.unwrap());
    assert_eq!(fixture.claim_one().await.keys, job.keys);
    fixture.set_limit("key", at_once(1)).await;
    fixture.add_one(&fixture.limited("key", "next")).await;
    assert_eq!(fixture.claim(5).await.len(), 0, "it runs and is counted");
}

pub(crate) async fn a_waiting_job_of_a_closed_key_can_be_cancelled(fixture: &Fixture) {
    fixture.set_limit("closed", at_once(0)).await;
    let jobs = limited_jobs(fixture, 3, "closed");
    fixture.add(&jobs).await;
    assert_eq!(fixture.claim(5).await.len(), 0);
    for job in &jobs[..2] {
        fixture.queue.cancel(job.id, fixture.now()).await.unwrap();
    }
    fixture.set_limit("closed", None).await;
    assert_eq!(fixture.claim_one().await.id, jobs[2].id);
    fixture.add_one(&fixture.limited("closed", "again")).await;
    assert_eq!(fixture.claim(5).await.len(), 1);
}

pub(crate) async fn a_scheduled_job_counts_under_its_key_when_it_is_due(fixture: &Fixture) {
    fixture.set_limit("one", at_once(1)).await;
    let later = fixture.now() + 1000;
    let jobs: Vec<_> = ["a", "b"]
        .iter()
        .map(|key| NewJob {
            run_at: later,
            ..fixture.limited("one", key)
        })
        .collect();
    fixture.add(&jobs).await;
    assert_eq!(fixture.kept(jobs[0].id).await.state, State::Scheduled { run_at: later });
    fixture.advance(1000);
    fixture.sweep().await;
    assert_eq!(fixture.claim(5).await.len(), 1);
    assert_eq!(fixture.counts().await.ready, 1);
}

pub(crate) async fn many_keys_are_all_served(fixture: &Fixture) {
    let mut jobs = Vec::new();
    for key in 0..200 {
        fixture.set_limit(&format!("key {key}"), at_once(1)).await;
        jobs.extend(limited_jobs(fixture, 3, &format!("key {key}")));
    }
    fixture.add(&jobs).await;
    for _ in 0..3 {
        let jobs = fixture.claim(1000).await;
        assert_eq!(jobs.len(), 200);
        let mut keys: Vec<&Keys> = jobs.iter().map(|job| &job.keys).collect();
        keys.sort_by_key(|keys| keys.limit.clone());
        keys.dedup();
        assert_eq!(keys.len(), 200);
        fixture.settle_all(&jobs, Outcome::Done).await;
    }
    assert_eq!(fixture.counts().await.ready, 0);
}

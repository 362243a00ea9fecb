//! Limit keys where the scripts have a choice: whose turn it is, what they compute themselves, what they do in bounded
//! steps.

use std::collections::BTreeMap;
use std::time::Duration;

use queue::backend::{Cancelled, Outcome};
use queue::flow::Gcra;
use queue::{Backend as _, Limit, Queue, Rate};
use testkit::redis::fresh;

use crate::{NOW, at_once, claim, fill, job, limited, open, request, set_limit, settle, settle_at};

#[tokio::test]
async fn the_scripts_compute_a_rate_as_the_program_does() {
    let redis = fresh();
    let queue = open(&redis);
    let rates = [
        (1, 1),
        (1, 86_400_000),
        (3, 1000),
        (24, 1000),
        (25, 1000),
        (30, 7),
        (49, 999),
        (1000, 1000),
        (4999, 1003),
    ];
    for (number, (count, per_ms)) in rates.into_iter().enumerate() {
        let rate = Rate::new(count, Duration::from_millis(per_ms)).unwrap();
        let (gcra, key) = (Gcra::from(rate), format!("rate {number}"));
        let limit = Limit {
            rate: Some(rate),
            concurrency: None,
        };
        set_limit(&queue, &key, Some(limit), NOW).await;
        let waiting: Vec<_> = (0..1000).map(|index| limited(1, number * 1000 + index, &key)).collect();
        fill(&queue, &waiting).await;
        let (mut arrival, mut now, mut left) = (0, NOW, 1000);
        for round in 0..20 {
            let want = if round % 5 == 4 { 1 } else { left.min(900) };
            let claims = queue.claim(&request(0, want, now)).await.unwrap();
            let started = claims.jobs.len();
            let starts: Vec<_> = claims.jobs.iter().map(|job| job.starts_at).collect();
            let expected = |before: usize| gcra.starts_at(gcra.after(arrival, before as u64, now), now);
            assert_eq!(
                starts,
                (0..started).map(expected).collect::<Vec<_>>(),
                "{rate:?} in round {round}"
            );
            settle_at(&queue, &claims.jobs, Outcome::Done, now).await;
            let allowed = usize::try_from(gcra.allows(arrival, now)).unwrap();
            assert_eq!(started, allowed.min(want).min(left), "{rate:?} in round {round}");
            arrival = gcra.after(arrival, started as u64, now);
            left -= started;
            if left == 0 {
                break;
            }
            let opens_at = (started == allowed).then(|| gcra.opens_at(arrival));
            assert_eq!(claims.opens_at, opens_at, "{rate:?} in round {round}");
            now = opens_at.unwrap_or(now) + [0, 1, 0, 3, 250][round % 5];
        }
        for job in &waiting {
            queue.cancel(job.id, now).await.unwrap();
        }
    }
}

/// With room for two and three who wait, who had a turn stands behind who had none.
#[tokio::test]
async fn tenants_that_wait_for_a_key_take_turns_whoever_is_more() {
    let redis = fresh();
    let queue = open(&redis);
    set_limit(&queue, "few", at_once(2), NOW).await;
    let waiting: Vec<_> = (0..150)
        .map(|number| limited(number as u128 % 3, number, "few"))
        .collect();
    fill(&queue, &waiting).await;
    let mut served: BTreeMap<_, usize> = BTreeMap::new();
    for _ in 0..30 {
        let claimed = claim(&queue, 10).await;
        assert_eq!(claimed.len(), 2);
        for claimed in &claimed {
            *served.entry(claimed.tenant).or_default() += 1;
        }
        settle(&queue, &claimed, Outcome::Done).await;
    }
    assert!(served.values().all(|served| (18..=22).contains(served)), "{served:?}");
}

/// Sweeps let one after the other start, but nobody claims until all of them may: only one does, and it is the next.
#[tokio::test]
async fn tenants_that_wait_for_a_key_take_turns_when_nobody_claims_in_time() {
    let redis = fresh();
    let queue = open(&redis);
    let limit = Limit {
        rate: Rate::new(1, Duration::from_secs(1)),
        concurrency: None,
    };
    set_limit(&queue, "slow", Some(limit), NOW).await;
    let waiting: Vec<_> = (0..90)
        .map(|number| limited(number as u128 % 3, number, "slow"))
        .collect();
    fill(&queue, &waiting).await;
    let (mut now, mut served) = (NOW, BTreeMap::<_, usize>::new());
    for _ in 0..12 {
        let claimed = queue.claim(&request(0, 10, now)).await.unwrap().jobs;
        assert_eq!(claimed.len(), 1);
        *served.entry(claimed[0].tenant).or_default() += 1;
        settle_at(&queue, &claimed, Outcome::Done, now).await;
        for _ in 0..4 {
            now += 1000;
            queue.sweep(Queue::Default, now, 0.5).await.unwrap();
        }
    }
    assert!(
        served.len() == 3 && served.values().all(|served| *served == 4),
        "{served:?}"
    );
}

#[tokio::test]
async fn who_comes_later_does_not_overtake_who_waits_for_the_key() {
    let redis = fresh();
    let queue = open(&redis);
    set_limit(&queue, "one", at_once(1), NOW).await;
    let waiting: Vec<_> = (0..20).map(|number| limited(1, number, "one")).collect();
    fill(&queue, &waiting).await;
    let mut running = claim(&queue, 5).await;
    let mut served = 0;
    for number in 0..10 {
        fill(&queue, &[limited(2 + number as u128, 100 + number, "one")]).await;
        settle(&queue, &running, Outcome::Done).await;
        running = claim(&queue, 5).await;
        served += usize::from(running[0].tenant == job(1, 0).tenant);
    }
    assert!(
        served >= 2,
        "a tenant that has more than one job is served between the others: {served}"
    );
}

/// Its turn was the one that the key had room for.
#[tokio::test]
async fn a_cancelled_job_passes_its_turn_on() {
    let redis = fresh();
    let queue = open(&redis);
    set_limit(&queue, "one", at_once(1), NOW).await;
    let waiting: Vec<_> = (0..4).map(|tenant| limited(tenant, 0, "one")).collect();
    fill(&queue, &waiting).await;
    let running = claim(&queue, 5).await;
    settle(&queue, &running, Outcome::Done).await;
    let mut left = waiting.len() - 1;
    for waiting in &waiting {
        let last = left == 1;
        if !last && queue.cancel(waiting.id, NOW).await.unwrap() == Cancelled::Removed {
            left -= 1;
        }
    }
    assert_eq!(claim(&queue, 5).await.len(), 1);
}

#[tokio::test]
async fn thousands_who_wait_for_a_key_all_come_when_its_limit_is_removed() {
    let redis = fresh();
    let queue = open(&redis);
    set_limit(&queue, "off", at_once(0), NOW).await;
    let waiting: Vec<_> = (0..3500).map(|tenant| limited(tenant, 0, "off")).collect();
    fill(&queue, &waiting).await;
    while queue.claim(&request(0, 100, NOW)).await.unwrap().more {}
    set_limit(&queue, "off", None, NOW).await;
    let mut come = 0;
    loop {
        let claims = queue.claim(&request(0, 1000, NOW)).await.unwrap();
        come += claims.jobs.len();
        if !claims.more && claims.opens_at.is_none() {
            break;
        }
    }
    assert_eq!(come, 3500);
}

#[tokio::test]
async fn hundreds_of_keys_that_open_at_once_are_all_served() {
    let redis = fresh();
    let queue = open(&redis);
    for number in 0..250 {
        let key = format!("key {number}");
        let waiting: Vec<_> = (0..2).map(|job| limited(1, number * 2 + job, &key)).collect();
        fill(&queue, &waiting).await;
    }
    let cool = Outcome::Later {
        run_at: NOW + 1000,
        error: None,
        cool: true,
    };
    let claimed = claim(&queue, 250).await;
    settle(&queue, &claimed, cool).await;
    let (mut now, mut come) = (NOW, 0);
    for _ in 0..20 {
        let claims = queue.claim(&request(0, 1000, now)).await.unwrap();
        come += claims.jobs.len();
        now = claims.opens_at.unwrap_or(now).max(now);
    }
    assert_eq!(come, 500, "at {} ms", now - NOW);
}

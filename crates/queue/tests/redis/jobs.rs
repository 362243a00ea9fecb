//! The way of jobs: what goes round, what comes back, what is shown, what stays.

use std::sync::Arc;

use queue::backend::{Counts, DeadFilter, ListRequest, Outcome, Reason, Sweep};
use queue::clock::DAY_MS;
use queue::{Backend as _, Queue, QueueError};
use testkit::redis::fresh;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    FAILURE_LIMIT, LEASE_MS, NOW, claim, ending, fill, job, jobs, keys, live_a_life, open, request, run, settle,
};

#[tokio::test]
async fn what_a_busy_process_does_not_claim_another_process_hears_of() {
    let redis = fresh();
    let (busy, idle) = (open(&redis), open(&redis));
    let wakes = [busy.wakes(Queue::Default), idle.wakes(Queue::Default)];
    for wake in &wakes {
        timeout(FAILURE_LIMIT, wake.notified()).await.expect("it listens");
    }
    busy.add(&[job(1, 1)], NOW).await.unwrap();
    // Neither claims, so whoever is told first must pass it on.
    for wake in &wakes {
        timeout(FAILURE_LIMIT, wake.notified()).await.expect("told in its turn");
    }
}

#[tokio::test]
async fn when_everything_has_ended_only_the_known_keys_and_the_claim_counter_stay() {
    let redis = fresh();
    let queue = open(&redis);
    live_a_life(&queue).await;
    let mut now = NOW;
    loop {
        now += 100_000;
        queue.sweep(Queue::Default, now, 0.5).await.unwrap();
        let mut idle = true;
        for lane in 0..3 {
            let claimed = queue.claim(&request(lane, 100, now)).await.unwrap().jobs;
            idle &= claimed.is_empty();
            settle(&queue, &claimed, Outcome::Done).await;
        }
        if idle {
            break;
        }
    }
    assert_eq!(queue.counts(Queue::Default).await.unwrap(), Counts::default());
    let tag = format!("{{{}:default}}", redis.prefix());
    let day = queue::clock::day(NOW);
    let mut left = keys(&redis);
    left.sort();
    assert_eq!(
        left,
        ["days", "deleted", &format!("seen:{day}"), "seq", "wake"].map(|name| format!("{tag}:{name}"))
    );
    queue.purge(Queue::Default, NOW + 30 * DAY_MS, NOW).await.unwrap();
    assert_eq!(keys(&redis).len(), 3, "known keys are forgotten");
}

#[tokio::test]
async fn known_keys_go_by_themselves_should_nobody_purge() {
    let redis = fresh();
    let queue = open(&redis);
    fill(&queue, &jobs(1, 2)).await;
    for claimed in claim(&queue, 2).await {
        settle(&queue, &[claimed], Outcome::Done).await;
    }
    let seen = format!("{{{}:default}}:seen:{}", redis.prefix(), queue::clock::day(NOW));
    let seconds: i64 = redis::from_redis_value(run(redis.url(), redis::cmd("TTL").arg(seen))).unwrap();
    assert!(seconds > 9 * 86_400 && seconds <= 10 * 86_400, "{seconds}");
}

#[tokio::test]
async fn a_claim_that_was_half_settled_comes_back_by_half_until_it_is_poison() {
    let redis = fresh();
    let queue = open(&redis);
    fill(&queue, &jobs(1, 1500)).await;
    let mut claimed = claim(&queue, 1000).await;
    claimed.extend(claim(&queue, 1000).await);
    assert_eq!(settle(&queue, &claimed[..250], Outcome::Done).await, [true; 250]);

    let (mut now, mut lanes) = (NOW, Vec::new());
    for lane in 1..=3 {
        now += LEASE_MS;
        // Two sweeps, since each takes back a bounded number, and one that promotes.
        let mut sum = Sweep::default();
        for _ in 0..2 {
            let swept = queue.sweep(Queue::Default, now, 1.0).await.unwrap();
            assert!(swept.rescued + swept.poisoned <= 1000);
            sum.rescued += swept.rescued;
            sum.poisoned += swept.poisoned;
        }
        lanes.push((sum.rescued, sum.poisoned));
        now += 60_000;
        while queue.sweep(Queue::Default, now, 1.0).await.unwrap().promoted > 0 {}
        if lane < 3 {
            while queue.claim(&request(lane, 1000, now)).await.unwrap().more {}
        }
    }
    assert_eq!(lanes, [(1250, 0), (1250, 0), (0, 1250)]);
    let dead = queue.find(claimed[1499].id).await.unwrap().unwrap();
    assert_eq!((dead.crashes, dead.errors.len()), (3, 1));
    assert_eq!(settle(&queue, &claimed[750..], Outcome::Release).await, [false; 750]);
}

#[tokio::test]
async fn a_hundred_thousand_jobs_of_one_tenant_do_not_delay_the_one_of_another() {
    let redis = fresh();
    let queue = open(&redis);
    fill(&queue, &jobs(1, 100_000)).await;
    assert_eq!(claim(&queue, 100).await.len(), 100);
    fill(&queue, &jobs(2, 1)).await;
    assert!(
        claim(&queue, 10)
            .await
            .iter()
            .any(|claimed| claimed.tenant == Uuid::from_u128(2))
    );
    assert_eq!(claim(&queue, 500).await.len(), 500, "alone again, it gets everything");
}

#[tokio::test]
async fn pages_show_each_of_many_jobs_and_letters_once() {
    let redis = fresh();
    let queue = open(&redis);
    fill(&queue, &jobs(1, 3000)).await;
    let claimed = claim(&queue, 1000).await;
    settle(
        &queue,
        &claimed,
        Outcome::Dead {
            reason: Reason::Refused,
            error: None,
        },
    )
    .await;
    for (dead, expected) in [(false, 2000), (true, 1000)] {
        let (mut ids, mut cursor) = (Vec::new(), None);
        loop {
            let request = ListRequest {
                limit: 37,
                cursor: cursor.as_deref(),
                ..ListRequest::default()
            };
            let page = if dead {
                queue
                    .list_dead(&DeadFilter::default(), request.cursor, request.limit)
                    .await
            } else {
                queue.list(request).await
            }
            .unwrap();
            assert!(page.items.len() <= 37);
            ids.extend(page.items.iter().map(|kept| kept.id));
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(ids.len(), expected);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), expected);
    }
}

#[tokio::test]
async fn a_cursor_that_nobody_handed_out_is_refused() {
    let redis = fresh();
    let queue = open(&redis);
    for cursor in [
        "",
        "x",
        "default",
        "default.x.",
        "default.1.x",
        "other.1.",
        "5.not-an-id",
    ] {
        let request = ListRequest {
            limit: 1,
            cursor: Some(cursor),
            ..ListRequest::default()
        };
        assert!(queue.list(request).await.is_err(), "{cursor}");
        assert!(
            queue
                .list_dead(&DeadFilter::default(), request.cursor, request.limit)
                .await
                .is_err(),
            "{cursor}"
        );
    }
}

#[tokio::test]
async fn what_is_larger_than_a_call_may_be_is_refused() {
    let redis = fresh();
    let queue = open(&redis);
    assert!(matches!(
        queue.add(&jobs(1, 1001), NOW).await,
        Err(QueueError::Broken(_))
    ));
    assert_eq!(queue.counts(Queue::Default).await.unwrap(), Counts::default());
}

#[tokio::test]
async fn many_processes_at_once_hand_out_each_job_once() {
    let redis = fresh();
    let total = 20_000;
    fill(
        &open(&redis),
        &(0..4).flat_map(|tenant| jobs(tenant, total / 4)).collect::<Vec<_>>(),
    )
    .await;
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let queue = Arc::new(open(&redis));
        workers.spawn(async move {
            let (mut done, mut settles) = (Vec::new(), Vec::new());
            loop {
                let (held, claims) = queue.step(&settles, &[], &request(0, 170, NOW)).await.unwrap();
                assert!(held.iter().all(|held| *held));
                if claims.jobs.is_empty() && settles.is_empty() {
                    return done;
                }
                done.extend(claims.jobs.iter().map(|claimed| claimed.id));
                settles = claims
                    .jobs
                    .iter()
                    .map(|claimed| ending(claimed, Outcome::Done))
                    .collect();
            }
        });
    }
    let mut ids = workers.join_all().await.concat();
    assert_eq!(ids.len(), total);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), total);
}

/// A replica that becomes the master may not have heard of the last claims; what it then counts on from is behind.
#[tokio::test]
async fn a_claim_counter_that_went_back_issues_no_number_again() {
    let redis = fresh();
    let queue = open(&redis);
    fill(&queue, &jobs(1, 4)).await;
    let before = claim(&queue, 2).await;
    let counter = format!("{{{}:default}}:seq", redis.prefix());
    run(redis.url(), redis::cmd("DEL").arg(&counter));
    let later = queue.claim(&request(0, 2, NOW + 1)).await.unwrap().jobs;
    assert_eq!((before.len(), later.len()), (2, 2));
    assert!(later[0].ticket.claim > before[0].ticket.claim);
    for claimed in [&before, &later] {
        assert_eq!(settle(&queue, claimed, Outcome::Done).await, [true; 2]);
    }
}

//! Lists, a page at a time.

use std::collections::{BTreeMap, BTreeSet};

use queue::backend::{DeadFilter, Kept, ListRequest, NewJob, Outcome, Reason, State};
use queue::clock::DAY_MS;
use queue::{JobId, Queue};

use crate::support::fixture::{Fixture, OTHER_TENANT, TENANT, failed};

/// All pages of a list, and how many there were.
async fn pages(fixture: &Fixture, request: ListRequest<'_>, dead: bool) -> (Vec<Kept>, usize) {
    let (mut items, mut pages, mut cursor) = (Vec::new(), 0, None::<String>);
    loop {
        let request = ListRequest {
            cursor: cursor.as_deref(),
            ..request
        };
        let page = if dead {
            let (queue, tenant) = (request.queue, request.tenant);
            let filter = DeadFilter {
                queue,
                tenant,
                ..DeadFilter::default()
            };
            fixture.queue.list_dead(&filter, request.cursor, request.limit).await
        } else {
            fixture.queue.list(request).await
        };
        let page = page.unwrap();
        assert!(page.items.len() <= request.limit);
        items.extend(page.items);
        pages += 1;
        assert!(pages < 1000, "a list without an end");
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return (items, pages),
        }
    }
}

/// Some jobs in every state, in two queues, of two tenants; answers the live ones with their states' names.
async fn some_of_everything(fixture: &Fixture) -> BTreeMap<JobId, &'static str> {
    let mut live = BTreeMap::new();
    for (name, outcome) in [
        (
            "dead",
            Some(Outcome::Dead {
                reason: Reason::Refused,
                error: None,
            }),
        ),
        ("parked", Some(Outcome::Park { gate: "kind:x".into() })),
        ("scheduled", Some(failed(fixture.now() + DAY_MS, "no"))),
        ("running", None),
    ] {
        let jobs = fixture.jobs(5, name);
        fixture.add(&jobs).await;
        let claimed = fixture.claim(5).await;
        if let Some(outcome) = outcome {
            fixture.settle_all(&claimed, outcome).await;
        }
        if name != "dead" {
            live.extend(jobs.iter().map(|job| (job.id, name)));
        }
    }
    let ready: Vec<_> = (0..5)
        .map(|n| fixture.job_of(OTHER_TENANT, &format!("ready {n}")))
        .collect();
    let bulk: Vec<_> = (0..5).map(|n| fixture.job_in(Queue::Bulk, &n.to_string())).collect();
    let run_at = fixture.now() + 5000;
    let later: Vec<_> = fixture
        .jobs(5, "later")
        .into_iter()
        .map(|job| NewJob { run_at, ..job })
        .collect();
    for (name, jobs) in [("ready", ready), ("ready", bulk), ("scheduled", later)] {
        fixture.add(&jobs).await;
        live.extend(jobs.iter().map(|job| (job.id, name)));
    }
    live
}

fn name(state: &State) -> &'static str {
    match state {
        State::Ready => "ready",
        State::Scheduled { .. } => "scheduled",
        State::Running { .. } => "running",
        State::Parked { .. } => "parked",
        State::Behind { .. } => "behind",
        State::Dead { .. } => "dead",
    }
}

pub(crate) async fn a_list_pages_through_every_live_job_once(fixture: &Fixture) {
    let live = some_of_everything(fixture).await;
    for limit in [1, 7, 1000] {
        let (items, _) = pages(
            fixture,
            ListRequest {
                limit,
                ..ListRequest::default()
            },
            false,
        )
        .await;
        assert_eq!(items.len(), live.len(), "pages of {limit}");
        let seen: BTreeMap<_, _> = items.iter().map(|kept| (kept.id, name(&kept.state))).collect();
        assert_eq!(seen, live, "pages of {limit}");
    }
}

pub(crate) async fn a_list_shows_rows_as_find_does(fixture: &Fixture) {
    some_of_everything(fixture).await;
    for dead in [false, true] {
        let (items, _) = pages(
            fixture,
            ListRequest {
                limit: 100,
                ..ListRequest::default()
            },
            dead,
        )
        .await;
        assert!(!items.is_empty());
        for item in items {
            let kept = fixture.kept(item.id).await;
            assert_eq!(
                (item.queue, item.tenant, item.state),
                (kept.queue, kept.tenant, kept.state)
            );
            assert_eq!(
                (item.attempts, item.crashes, item.body),
                (kept.attempts, kept.crashes, kept.body)
            );
        }
    }
}

pub(crate) async fn a_list_of_one_queue_or_tenant_shows_no_other(fixture: &Fixture) {
    let live = some_of_everything(fixture).await;
    for limit in [2, 100] {
        for (queue, tenant, expected) in [
            (Some(Queue::Bulk), None, 5),
            (Some(Queue::Urgent), None, 0),
            (None, Some(OTHER_TENANT), 5),
            (Some(Queue::Default), Some(TENANT), live.len() - 10),
            (Some(Queue::Bulk), Some(OTHER_TENANT), 0),
        ] {
            let request = ListRequest {
                queue,
                tenant,
                cursor: None,
                limit,
            };
            let (items, _) = pages(fixture, request, false).await;
            assert_eq!(items.len(), expected, "{request:?}");
            assert!(items.iter().all(|kept| queue.is_none_or(|queue| kept.queue == queue)));
            assert!(
                items
                    .iter()
                    .all(|kept| tenant.is_none_or(|tenant| kept.tenant == tenant))
            );
        }
    }
}

pub(crate) async fn dead_letters_are_listed_latest_death_first(fixture: &Fixture) {
    let mut died = Vec::new();
    for number in 0..12 {
        died.push(fixture.dead(&number.to_string()).await);
        fixture.advance(1000);
    }
    died.reverse();
    for (limit, queue) in [
        (1, Some(Queue::Default)),
        (5, Some(Queue::Default)),
        (5, None),
        (100, None),
    ] {
        let request = ListRequest {
            queue,
            limit,
            ..ListRequest::default()
        };
        let (items, _) = pages(fixture, request, true).await;
        assert_eq!(
            items.iter().map(|kept| kept.id).collect::<Vec<_>>(),
            died,
            "{request:?}"
        );
    }
}

pub(crate) async fn dead_letters_of_all_queues_are_listed_latest_death_first(fixture: &Fixture) {
    let mut died = Vec::new();
    for number in 0..9 {
        let queue = Queue::ALL[number % 3];
        let job = fixture.job_in(queue, &number.to_string());
        fixture.add_one(&job).await;
        let request = queue::backend::ClaimRequest {
            queue,
            ..fixture.request(0, 1)
        };
        let claimed = fixture.queue.claim(&request).await.unwrap().jobs.remove(0);
        let settle = crate::support::fixture::settle(
            &claimed,
            Outcome::Dead {
                reason: Reason::Refused,
                error: None,
            },
        );
        fixture
            .queue
            .settle(queue, &[settle], &[claimed.ticket.claim], fixture.now())
            .await
            .unwrap();
        died.push(job.id);
        fixture.advance(10);
    }
    died.reverse();
    for limit in [2, 100] {
        let (items, _) = pages(
            fixture,
            ListRequest {
                limit,
                ..ListRequest::default()
            },
            true,
        )
        .await;
        assert_eq!(
            items.iter().map(|kept| kept.id).collect::<Vec<_>>(),
            died,
            "pages of {limit}"
        );
    }
}

pub(crate) async fn dead_letters_of_one_moment_are_all_listed(fixture: &Fixture) {
    fixture.add(&fixture.jobs(30, "a")).await;
    let claimed = fixture.claim(30).await;
    fixture
        .settle_all(
            &claimed,
            Outcome::Dead {
                reason: Reason::Refused,
                error: None,
            },
        )
        .await;
    for limit in [1, 4, 100] {
        let (items, _) = pages(
            fixture,
            ListRequest {
                limit,
                ..ListRequest::default()
            },
            true,
        )
        .await;
        let ids: BTreeSet<_> = items.iter().map(|kept| kept.id).collect();
        assert_eq!((items.len(), ids.len()), (30, 30), "pages of {limit}");
    }
}

pub(crate) async fn dead_letters_of_one_queue_or_tenant_are_listed_alone(fixture: &Fixture) {
    fixture.dead("a").await;
    let job = fixture.job_of(OTHER_TENANT, "b");
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
    let request = ListRequest {
        tenant: Some(OTHER_TENANT),
        limit: 10,
        ..ListRequest::default()
    };
    let (items, _) = pages(fixture, request, true).await;
    assert_eq!(items.iter().map(|kept| kept.id).collect::<Vec<_>>(), [job.id]);
    let request = ListRequest {
        queue: Some(Queue::Urgent),
        limit: 10,
        ..ListRequest::default()
    };
    assert!(pages(fixture, request, true).await.0.is_empty());
}

pub(crate) async fn live_jobs_are_listed_oldest_first(fixture: &Fixture) {
    let jobs = fixture.jobs(10, "a");
    for job in &jobs {
        fixture.add_one(job).await;
        fixture.advance(10);
    }
    let request = ListRequest {
        queue: Some(Queue::Default),
        limit: 4,
        ..ListRequest::default()
    };
    let (items, _) = pages(fixture, request, false).await;
    // "As far as the backend knows an order": one that keeps jobs in a hash has none to show.
    let listed: BTreeSet<_> = items.iter().map(|kept| kept.id).collect();
    assert_eq!(listed, jobs.iter().map(|job| job.id).collect());
}

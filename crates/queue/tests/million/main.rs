//! How long looking at a million dead letters takes. Prints, and judges nothing: run it by itself, on a machine that has
//! nothing else to do.
//!
//! `bin/test -p queue --test million -- --ignored --nocapture --test-threads 1`
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

use std::time::Instant;

use queue::backend::{DeadFilter, Failure, NewDead, NewJob, Reason};
use queue::clock::DAY_MS;
use queue::envelope::Envelope;
use queue::grouping::{GroupId, strip};
use queue::{JobId, Keys, Millis, Queue};
use uuid::Uuid;

use support::fixture::Fixture;

const LETTERS: u64 = 1_000_000;
/// Letters of one call.
const BATCH: usize = 500;
const TENANTS: u64 = 50;
const KINDS: [&str; 5] = [
    "send_message",
    "record_email_event",
    "purge_queue",
    "score_lead",
    "check_message",
];
/// Different errors of each kind.
const ERRORS: u64 = 5;

/// Kind, tenant and error of a letter are independent of each other.
fn letter(number: u64, now: Millis) -> NewDead {
    let (kind, tenant) = (number % 5, number / 5 % TENANTS);
    let error = error(number / (5 * TENANTS) % ERRORS, number);
    let died_at = now - 30 * DAY_MS + (number * 2_592) as Millis;
    let kind = KINDS[kind as usize];
    let tenant = Uuid::from_u128(u128::from(tenant) + 1);
    let body = Envelope {
        created_at: died_at,
        expires_at: None,
        correlation: Uuid::from_u128(number.into()),
        kind,
        sealed: &[7; 300],
    };
    NewDead {
        job: NewJob {
            id: JobId::derive(kind, tenant, &number.to_string()),
            queue: Queue::ALL[(number % 3) as usize],
            tenant,
            run_at: died_at,
            keys: Keys::default(),
            body: body.encode(),
        },
        reason: if number.is_multiple_of(7) {
            Reason::Refused
        } else {
            Reason::Attempts
        },
        died_at,
        attempts: 1,
        errors: vec![Failure {
            attempt: 1,
            at: died_at,
            error,
            excerpt: None,
        }],
    }
}

fn error(which: u64, number: u64) -> String {
    let letter = char::from(b'a' + u8::try_from(which).unwrap());
    format!("the provider answered {number}: failure of kind {letter}{letter}")
}

async fn timed<T>(what: &str, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let answer = work.await;
    println!("{what:44} {:8.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    answer
}

async fn look(fixture: Fixture) {
    let (queue, now) = (&*fixture.queue, fixture.now());
    let start = Instant::now();
    for first in (0..LETTERS).step_by(BATCH) {
        let batch: Vec<_> = (first..first + BATCH as u64)
            .map(|number| letter(number, now))
            .collect();
        // A busy machine may be too slow for one call; what is there already is known.
        while queue.import_dead(&batch, now).await.is_err() {}
    }
    println!("{LETTERS} letters came in {:.0} s", start.elapsed().as_secs_f64());
    let any = DeadFilter::default;
    let tenant = Some(Uuid::from_u128(42));
    let group = GroupId::of(KINDS[0], Reason::Attempts, &strip(&error(3, 1)));
    let [middle, later] = [now - 15 * DAY_MS, now - 14 * DAY_MS];
    let filters = [
        ("all", any()),
        ("of a tenant", DeadFilter { tenant, ..any() }),
        (
            "of a kind",
            DeadFilter {
                kind: Some(KINDS[1].into()),
                ..any()
            },
        ),
        (
            "of a queue and a reason",
            DeadFilter {
                queue: Some(Queue::Bulk),
                reason: Some(Reason::Refused),
                ..any()
            },
        ),
        (
            "of a group",
            DeadFilter {
                group: Some(group),
                ..any()
            },
        ),
        (
            "of a group and a tenant",
            DeadFilter {
                group: Some(group),
                tenant,
                ..any()
            },
        ),
        (
            "of a day",
            DeadFilter {
                since: Some(middle),
                before: Some(later),
                ..any()
            },
        ),
        (
            "of a group, older than half",
            DeadFilter {
                group: Some(group),
                before: Some(middle),
                ..any()
            },
        ),
        (
            "of all times but the first hour",
            DeadFilter {
                since: Some(now - 30 * DAY_MS + 3_600_000),
                ..any()
            },
        ),
        (
            "with a text of one",
            DeadFilter {
                text: Some(format!("Answered {}:", LETTERS / 3)),
                ..any()
            },
        ),
        (
            "with a text of a tenth, of a tenant",
            DeadFilter {
                text: Some("5: failure".into()),
                tenant,
                ..any()
            },
        ),
        (
            "with a text of none",
            DeadFilter {
                text: Some("the line was cut".into()),
                ..any()
            },
        ),
        (
            "of nothing there is",
            DeadFilter {
                kind: Some("none".into()),
                ..any()
            },
        ),
    ];
    for (name, filter) in &filters {
        let page = timed(&format!("list {name}"), queue.list_dead(filter, None, 50))
            .await
            .unwrap();
        println!("{:44} {} letters", "", page.items.len());
        if let Some(cursor) = page.next_cursor.as_deref() {
            drop(
                timed(
                    &format!("list {name}, next page"),
                    queue.list_dead(filter, Some(cursor), 50),
                )
                .await
                .unwrap(),
            );
        }
        let groups = timed(&format!("groups {name}"), queue.dead_groups(filter))
            .await
            .unwrap();
        println!(
            "{:44} {} groups, {} letters",
            "",
            groups.len(),
            groups.iter().map(|group| group.count).sum::<u64>()
        );
    }
    let shown = letter(LETTERS / 2, now).job.id;
    assert!(timed("show", queue.find(shown)).await.unwrap().is_some());
    timed("counts", queue.counts(Queue::Default)).await.unwrap();
    timed("retry", queue.retry_dead(shown, None, now)).await.unwrap();
    timed("purge, of 1,000", queue.purge(Queue::Default, now, now - 29 * DAY_MS))
        .await
        .unwrap();
    timed("purge, of nothing", queue.purge(Queue::Default, now, 0))
        .await
        .unwrap();
    timed(
        "purge, three weeks later",
        queue.purge(Queue::Default, now + 21 * DAY_MS, 0),
    )
    .await
    .unwrap();
}

#[tokio::test]
#[ignore = "takes minutes, and prints times"]
async fn sqlite() {
    look(Fixture::sqlite().await).await;
}

#[cfg(feature = "services")]
#[tokio::test]
#[ignore = "takes minutes, and prints times"]
async fn postgres() {
    look(Fixture::postgres().await).await;
}

#[cfg(feature = "services")]
#[tokio::test]
#[ignore = "takes minutes, and prints times"]
async fn redis() {
    look(Fixture::redis().await).await;
}

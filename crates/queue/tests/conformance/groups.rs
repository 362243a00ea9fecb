//! Dead letters by what they died of.

use std::collections::BTreeSet;

use queue::backend::{Added, DeadFilter, Failure, Kept, NewDead, NewJob, Outcome, Reason, State};
use queue::envelope::Envelope;
use queue::grouping::{GroupId, strip};
use queue::{JobId, Millis, Queue};
use uuid::Uuid;

use crate::support::fixture::{Fixture, OTHER_TENANT, TENANT, failed};

fn of_kind(kind: &str, job: NewJob) -> NewJob {
    let envelope = Envelope::decode(&job.body).expect("an envelope");
    let body = Envelope { kind, ..envelope }.encode();
    NewJob { body, ..job }
}

/// Adds a job and lets it die of this.
async fn dead(fixture: &Fixture, job: NewJob, reason: Reason, error: Option<&str>) -> JobId {
    assert_eq!(fixture.add_one(&job).await, Added::New);
    let claimed = fixture.claim_one().await;
    let error = error.map(str::to_owned);
    assert!(fixture.settle(&claimed, Outcome::Dead { reason, error }).await);
    job.id
}

/// Everything that matches, page by page.
async fn listed(fixture: &Fixture, filter: &DeadFilter, limit: usize) -> Vec<Kept> {
    let (mut letters, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..1000 {
        let page = fixture.queue.list_dead(filter, cursor.as_deref(), limit).await.unwrap();
        letters.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return letters;
        }
    }
    panic!("a list without an end");
}

async fn ids(fixture: &Fixture, filter: &DeadFilter) -> Vec<JobId> {
    let ids = |limit| async move {
        let letters = listed(fixture, filter, limit).await;
        letters.iter().map(|kept| kept.id).collect::<Vec<_>>()
    };
    let (one, many) = (ids(1).await, ids(1000).await);
    assert_eq!(one, many, "however long the pages are");
    many
}

/// Group, kind, reason, error and count of each.
async fn groups(fixture: &Fixture, filter: &DeadFilter) -> Vec<(String, Reason, String, u64)> {
    let groups = fixture.queue.dead_groups(filter).await.unwrap();
    for group in &groups {
        assert_eq!(group.id, GroupId::of(&group.kind, group.reason, &group.error));
    }
    let shown = |group: queue::backend::DeadGroup| (group.kind, group.reason, group.error, group.count);
    groups.into_iter().map(shown).collect()
}

pub(crate) async fn errors_that_differ_in_numbers_only_are_one_group(fixture: &Fixture) {
    for number in 0..5 {
        let error = format!("no answer from 10.0.0.{number} after {} ms", 1400 + number);
        dead(
            fixture,
            fixture.job(&number.to_string()),
            Reason::Attempts,
            Some(&error),
        )
        .await;
    }
    dead(
        fixture,
        fixture.job("other error"),
        Reason::Attempts,
        Some("no such number"),
    )
    .await;
    dead(
        fixture,
        fixture.job("other reason"),
        Reason::Refused,
        Some("no such number"),
    )
    .await;
    dead(
        fixture,
        of_kind("other", fixture.job("other kind")),
        Reason::Refused,
        Some("no such number"),
    )
    .await;
    dead(fixture, fixture.job("no error"), Reason::Expired, None).await;
    let shown = groups(fixture, &DeadFilter::default()).await;
    let row = |kind: &str, reason, error: &str, count| (kind.to_owned(), reason, error.to_owned(), count);
    assert_eq!(
        shown[0],
        row("test", Reason::Attempts, "no answer from <n> after <n> ms", 5)
    );
    let rest: BTreeSet<_> = shown[1..]
        .iter()
        .map(|(kind, reason, error, count)| (kind, reason.name(), error, count))
        .collect();
    assert_eq!(rest.len(), 4, "{shown:?}");
    assert!(shown.contains(&row("test", Reason::Attempts, "no such number", 1)));
    assert!(shown.contains(&row("test", Reason::Refused, "no such number", 1)));
    assert!(shown.contains(&row("other", Reason::Refused, "no such number", 1)));
    assert!(shown.contains(&row("test", Reason::Expired, "", 1)));
}

pub(crate) async fn every_way_of_dying_has_its_group(fixture: &Fixture) {
    let unreadable = NewJob {
        body: vec![9, 9, 9],
        ..fixture.job("unreadable")
    };
    dead(fixture, unreadable, Reason::Unreadable, Some("it is no job")).await;
    fixture.running("poison").await;
    for lane in 1..3 {
        fixture.crash().await;
        fixture.claim_one_from(lane).await;
    }
    fixture.crash().await;
    let cancelled = fixture.running("cancelled").await;
    fixture.queue.cancel(cancelled.id, fixture.now()).await.unwrap();
    fixture.settle(&cancelled, Outcome::Release).await;
    let crashed = fixture.running("cancelled and crashed").await;
    fixture.queue.cancel(crashed.id, fixture.now()).await.unwrap();
    fixture.crash().await;
    let shown = groups(fixture, &DeadFilter::default()).await;
    let kinds: Vec<_> = shown
        .iter()
        .map(|(kind, reason, _, count)| (kind.as_str(), *reason, *count))
        .collect();
    assert!(kinds.contains(&("", Reason::Unreadable, 1)), "{shown:?}");
    assert!(kinds.contains(&("test", Reason::Poison, 1)), "{shown:?}");
    assert!(kinds.contains(&("test", Reason::Cancelled, 2)), "{shown:?}");
    for (_, reason, error, _) in &shown {
        assert_eq!(
            *reason == Reason::Poison || *reason == Reason::Unreadable,
            !error.is_empty(),
            "{shown:?}"
        );
    }
}

pub(crate) async fn every_filter_finds_its_letters_latest_first(fixture: &Fixture) {
    let mut all = Vec::new();
    for number in 0..24_u128 {
        fixture.advance(10);
        let tenant = if number % 2 == 0 { TENANT } else { OTHER_TENANT };
        let job = fixture.job_of(tenant, &number.to_string());
        let job = if number % 3 == 0 { of_kind("third", job) } else { job };
        let reason = if number % 4 == 0 {
            Reason::Refused
        } else {
            Reason::Attempts
        };
        let error = if number % 5 == 0 { "a fifth" } else { "the others" };
        all.push((number, dead(fixture, job, reason, Some(error)).await, fixture.now()));
    }
    let check = async |filter: DeadFilter, takes: fn(u128) -> bool| {
        let expected: Vec<_> = all
            .iter()
            .rev()
            .filter(|(n, ..)| takes(*n))
            .map(|(_, id, _)| *id)
            .collect();
        assert_eq!(ids(fixture, &filter).await, expected, "{filter:?}");
        let counted: u64 = groups(fixture, &filter).await.iter().map(|group| group.3).sum();
        assert_eq!(counted, expected.len() as u64, "{filter:?}");
    };
    let any = DeadFilter::default;
    let group = GroupId::of("test", Reason::Attempts, &strip("the others"));
    check(any(), |_| true).await;
    check(
        DeadFilter {
            tenant: Some(OTHER_TENANT),
            ..any()
        },
        |n| n % 2 == 1,
    )
    .await;
    check(
        DeadFilter {
            tenant: Some(Uuid::from_u128(99)),
            ..any()
        },
        |_| false,
    )
    .await;
    check(
        DeadFilter {
            kind: Some("third".into()),
            ..any()
        },
        |n| n % 3 == 0,
    )
    .await;
    check(
        DeadFilter {
            reason: Some(Reason::Refused),
            ..any()
        },
        |n| n % 4 == 0,
    )
    .await;
    check(
        DeadFilter {
            group: Some(group),
            ..any()
        },
        |n| n % 3 != 0 && n % 4 != 0 && n % 5 != 0,
    )
    .await;
    check(
        DeadFilter {
            queue: Some(Queue::Default),
            ..any()
        },
        |_| true,
    )
    .await;
    check(
        DeadFilter {
            queue: Some(Queue::Bulk),
            ..any()
        },
        |_| false,
    )
    .await;
    check(
        DeadFilter {
            since: Some(all[7].2),
            before: Some(all[20].2),
            ..any()
        },
        |n| (7..20).contains(&n),
    )
    .await;
    let several = DeadFilter {
        tenant: Some(TENANT),
        kind: Some("third".into()),
        reason: Some(Reason::Attempts),
        since: Some(all[3].2),
        ..any()
    };
    check(several, |n| n % 2 == 0 && n % 3 == 0 && n % 4 != 0 && n >= 3).await;
}

pub(crate) async fn groups_count_what_died_within_any_span_of_time(fixture: &Fixture) {
    let begin = fixture.now();
    // Most of them at once, the others one by one.
    let deaths: Vec<Millis> = (0..1_500_i64).map(|number| begin + (number - 1_400).max(0)).collect();
    let letters: Vec<_> = (0..)
        .zip(&deaths)
        .map(|(number, died_at)| NewDead {
            job: fixture.job(&format!("{number}")),
            reason: Reason::Refused,
            died_at: *died_at,
            attempts: 0,
            errors: Vec::new(),
        })
        .collect();
    for letters in letters.chunks(250) {
        fixture.queue.import_dead(letters, fixture.now()).await.unwrap();
    }
    let ends = [-1, 0, 1, 2, 49, 50, 98, 99, 100].map(|after| Some(begin + after));
    for since in ends.into_iter().chain([None]) {
        for before in ends.into_iter().chain([None]) {
            let within = |died_at: &&Millis| {
                since.is_none_or(|since| **died_at >= since) && before.is_none_or(|before| **died_at < before)
            };
            let last = deaths.iter().filter(within).max();
            let count = deaths.iter().filter(within).count() as u64;
            let filter = DeadFilter {
                since,
                before,
                ..DeadFilter::default()
            };
            let shown = fixture.queue.dead_groups(&filter).await.unwrap();
            let shown: Vec<_> = shown.iter().map(|group| (group.count, group.last_died_at)).collect();
            let expected: Vec<_> = last.map(|last| (count, *last)).into_iter().collect();
            assert_eq!(shown, expected, "{since:?} to {before:?} from {begin}");
        }
    }
}

pub(crate) async fn a_text_is_looked_for_in_last_errors_in_capitals_or_not(fixture: &Fixture) {
    let text = |text: &str| DeadFilter {
        text: Some(text.to_owned()),
        ..DeadFilter::default()
    };
    let mut letters = Vec::new();
    for error in [
        "No answer after 1400 ms",
        "no answer after 1500 ms",
        "délai DÉPASSÉ: 100 %_",
    ] {
        let job = fixture.job(error);
        letters.push(dead(fixture, job, Reason::Refused, Some(error)).await);
        fixture.advance(1);
    }
    dead(fixture, fixture.job("expired"), Reason::Expired, None).await;
    // What went wrong before is not what it died of.
    let claimed = fixture.running("twice").await;
    fixture
        .settle(&claimed, failed(fixture.now(), "no answer after 1400 ms"))
        .await;
    fixture.sweep().await;
    let claimed = fixture.claim_one().await;
    let refused = Outcome::Dead {
        reason: Reason::Refused,
        error: Some("refused".into()),
    };
    fixture.settle(&claimed, refused).await;

    for (looked_for, expected) in [
        ("NO ANSWER", vec![letters[1], letters[0]]),
        ("answer after 1400", vec![letters[0]]),
        ("dépassé", vec![letters[2]]),
        ("É", vec![letters[2]]),
        ("0 %_", vec![letters[2]]),
        ("%", vec![letters[2]]),
        ("no_answer", vec![]),
        ("a\0b", vec![]),
    ] {
        assert_eq!(ids(fixture, &text(looked_for)).await, expected, "{looked_for}");
    }
    let of_nobody = DeadFilter {
        tenant: Some(OTHER_TENANT),
        ..text("answer")
    };
    assert_eq!(ids(fixture, &of_nobody).await, []);
    let later = DeadFilter {
        since: Some(fixture.now()),
        ..text("answer")
    };
    assert_eq!(ids(fixture, &later).await, []);
    let shown = |text: DeadFilter| async move { groups(fixture, &text).await.len() };
    assert_eq!(
        (shown(text("AFTER <n>")).await, shown(text("1400")).await),
        (2, 0),
        "as they are shown"
    );
}

pub(crate) async fn a_text_is_found_among_more_letters_than_are_looked_at_for_one_page(fixture: &Fixture) {
    let died_at = fixture.now();
    let letter = |number: u32| NewDead {
        job: fixture.job_of([TENANT, OTHER_TENANT][number as usize % 2], &number.to_string()),
        reason: Reason::Refused,
        died_at: died_at + Millis::from(number),
        attempts: 1,
        errors: vec![Failure {
            attempt: 1,
            at: died_at,
            error: format!("no answer after {number} ms"),
            excerpt: None,
        }],
    };
    let letters: Vec<_> = (0..12_000).map(letter).collect();
    for letters in letters.chunks(250) {
        fixture.queue.import_dead(letters, fixture.now()).await.unwrap();
    }
    let found = async |text: &str, tenant, limit| {
        let filter = DeadFilter {
            text: Some(text.to_owned()),
            tenant,
            ..DeadFilter::default()
        };
        let letters = listed(fixture, &filter, limit).await;
        letters.iter().map(|kept| kept.id).collect::<Vec<_>>()
    };
    let expected = |numbers: &[usize]| numbers.iter().map(|number| letters[*number].job.id).collect::<Vec<_>>();
    assert_eq!(found("After 17 ms", None, 50).await, expected(&[17]));
    assert_eq!(found("after 1700", None, 1).await, expected(&[1700]));
    assert_eq!(found("r 17 MS", Some(TENANT), 50).await, expected(&[]));
    assert_eq!(found("refused", None, 50).await, expected(&[]));
    let evens: Vec<_> = (0..12_000).rev().step_by(2).map(|number| number - 1).collect();
    assert_eq!(found("no answer", Some(TENANT), 700).await, expected(&evens));
}

pub(crate) async fn a_listed_letter_shows_its_last_error(fixture: &Fixture) {
    let id = dead(fixture, fixture.job("a"), Reason::Attempts, Some("it was not to be")).await;
    dead(fixture, fixture.job("b"), Reason::Expired, None).await;
    let letters = listed(fixture, &DeadFilter::default(), 10).await;
    for letter in &letters {
        let last: Vec<_> = letter.errors.iter().map(|failure| failure.error.as_str()).collect();
        assert_eq!(
            last,
            if letter.id == id {
                vec!["it was not to be"]
            } else {
                vec![]
            }
        );
    }
}

pub(crate) async fn a_letter_leaves_its_group_however_it_goes(fixture: &Fixture) {
    let mut letters = Vec::new();
    for number in 0..4 {
        letters.push(dead(fixture, fixture.job(&number.to_string()), Reason::Refused, Some("no")).await);
        fixture.advance(10);
    }
    let count = async || {
        groups(fixture, &DeadFilter::default())
            .await
            .iter()
            .map(|group| group.3)
            .sum::<u64>()
    };
    assert_eq!(count().await, 4);
    fixture.queue.retry_dead(letters[3], None, fixture.now()).await.unwrap();
    assert_eq!(count().await, 3);
    fixture.queue.delete_dead(letters[2]).await.unwrap();
    assert_eq!(count().await, 2);
    fixture.rewritten(letters[1], "other").await;
    assert_eq!(count().await, 2);
    fixture.purge(fixture.now() - 35).await;
    assert_eq!(ids(fixture, &DeadFilter::default()).await, [letters[1]]);
    assert_eq!(count().await, 1);
    fixture.purge(fixture.now()).await;
    assert_eq!(groups(fixture, &DeadFilter::default()).await, []);
}

pub(crate) async fn letters_from_elsewhere_are_kept_as_they_were(fixture: &Fixture) {
    let died_at: Millis = fixture.now() - 5000;
    let letter = |key: &str| NewDead {
        job: fixture.limited("account", key),
        reason: Reason::Attempts,
        died_at,
        attempts: 3,
        errors: [1, 3]
            .map(|attempt| Failure {
                attempt,
                at: died_at,
                error: format!("attempt {attempt}"),
                excerpt: None,
            })
            .to_vec(),
    };
    let lives = fixture.limited("account", "lives");
    fixture.add_one(&lives).await;
    let letters = [letter("a"), letter("b"), letter("lives")];
    let imported = fixture.queue.import_dead(&letters, fixture.now()).await.unwrap();
    assert_eq!(imported, [true, true, false]);
    let again = fixture.queue.import_dead(&letters, fixture.now()).await.unwrap();
    assert_eq!(again, [false, false, false]);
    assert_eq!(fixture.kept(lives.id).await.state, State::Ready);
    let kept = fixture.kept(letters[0].job.id).await;
    let reason = Reason::Attempts;
    assert_eq!(kept.state, State::Dead { reason, died_at });
    assert_eq!((kept.attempts, &kept.errors), (3, &letters[0].errors));
    assert_eq!((&kept.keys, &kept.body), (&letters[0].job.keys, &letters[0].job.body));
    assert_eq!(groups(fixture, &DeadFilter::default()).await.len(), 1);
    assert_eq!(
        fixture.add_one(&letters[0].job).await,
        Added::Duplicate,
        "its key is known"
    );
    assert!(fixture.queue.retry_dead(kept.id, None, fixture.now()).await.unwrap());
    assert_eq!(fixture.claim(5).await.len(), 2);
}

pub(crate) async fn thousands_of_letters_are_grouped_and_paged(fixture: &Fixture) {
    for round in 0..3 {
        let jobs = fixture.jobs(1000, &round.to_string());
        fixture.add(&jobs).await;
        let claimed = fixture.claim(1000).await;
        let error = Some(format!("error {round}"));
        let reason = Reason::Refused;
        fixture.settle_all(&claimed, Outcome::Dead { reason, error }).await;
        fixture.advance(1);
    }
    let shown = groups(fixture, &DeadFilter::default()).await;
    assert_eq!(
        shown,
        [("test".to_owned(), Reason::Refused, "error <n>".to_owned(), 3000)]
    );
    let group = GroupId::of("test", Reason::Refused, "error <n>");
    let filter = DeadFilter {
        group: Some(group),
        ..DeadFilter::default()
    };
    let letters: BTreeSet<_> = listed(fixture, &filter, 700).await.iter().map(|kept| kept.id).collect();
    assert_eq!(letters.len(), 3000);
}

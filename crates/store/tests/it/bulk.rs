//! Bulk actions and their letters: counted once, whoever tells it and however often; and edits of dead letters.

use chrono::TimeDelta;
use domain::{BulkAct, BulkActionId, BulkState, PersonalText};
use store::{BulkAction, DeadLetterEdit, LetterFate, NewBulkAction, OpenLetters};
use uuid::Uuid;

use crate::fresh::{Fresh, now, second};

fn letters(numbers: std::ops::Range<u128>) -> Vec<Uuid> {
    numbers.map(Uuid::from_u128).collect()
}

fn open(seconds: i64, is_ready: bool) -> LetterFate {
    LetterFate::Open {
        is_ready,
        look_at: second(seconds),
    }
}

fn failed(reason: &str) -> LetterFate {
    LetterFate::Failed { reason: reason.into() }
}

impl Fresh {
    async fn asked(&self) -> BulkActionId {
        let new = NewBulkAction {
            act: BulkAct::Retry,
            filter: r#"{"kind":"send_sms"}"#.into(),
            canary: Some(3),
            rate: 500,
            matched: 20,
            asked_by: "ann".into(),
        };
        self.store.create_bulk_action(&new, now()).await.unwrap()
    }

    async fn bulk(&self, id: BulkActionId) -> BulkAction {
        self.store.bulk_action(id).await.unwrap().unwrap()
    }

    async fn take_up(&self, id: BulkActionId, step: u32, letters: &[Uuid]) -> Option<Vec<Uuid>> {
        let taken = self
            .store
            .take_up_letters(id, step, letters, Some("there"), now())
            .await;
        taken.unwrap().map(|mut taken| {
            taken.new.sort_unstable();
            taken.new
        })
    }
}

async fn an_action_is_remembered_as_it_was_asked_for(fresh: Fresh) {
    let id = fresh.asked().await;
    let action = fresh.bulk(id).await;
    assert_eq!(
        (action.act, action.filter.as_str()),
        (BulkAct::Retry, r#"{"kind":"send_sms"}"#)
    );
    assert_eq!((action.canary, action.rate, action.matched), (Some(3), 500, 20));
    assert_eq!(
        (action.state, action.step, action.exhausted),
        (BulkState::Running, 0, false)
    );
    assert_eq!((action.asked_by.as_str(), action.changed_by), ("ann", None));
    assert_eq!((action.created_at, action.updated_at), (now(), now()));
    assert_eq!(fresh.store.bulk_action(BulkActionId(Uuid::nil())).await.unwrap(), None);

    let mut ids = vec![id];
    for _ in 0..2 {
        ids.push(fresh.asked().await);
    }
    let first = fresh.store.bulk_actions(None, 2).await.unwrap();
    let rest = fresh.store.bulk_actions(first.next, 2).await.unwrap();
    let mut listed: Vec<_> = first.items.iter().chain(&rest.items).map(|action| action.id).collect();
    assert!(listed.is_sorted_by(|a, b| a > b), "newest first");
    listed.reverse();
    ids.sort_unstable();
    assert_eq!((listed, rest.next), (ids, None));
}

async fn a_letter_is_counted_once_however_often_it_is_told(fresh: Fresh) {
    let id = fresh.asked().await;
    let all = letters(1..6);
    assert_eq!(fresh.take_up(id, 0, &all).await, Some(all.clone()));
    assert_eq!(
        fresh.take_up(id, 0, &letters(4..8)).await,
        Some(letters(6..8)),
        "only the new ones"
    );
    assert_eq!(fresh.bulk(id).await.cursor.as_deref(), Some("there"));
    assert_eq!(fresh.store.intended_letters(id, 10).await.unwrap().len(), 7);

    let fates: Vec<_> = all.iter().map(|job| (*job, open(1, true))).collect();
    let refused = (Uuid::from_u128(6), failed("no such queue"));
    let gone = (Uuid::from_u128(7), LetterFate::Gone);
    let fates = [fates, vec![refused, gone]].concat();
    for _ in 0..2 {
        fresh.store.letters_acted_on(id, &fates, now()).await.unwrap();
    }
    let action = fresh.bulk(id).await;
    assert_eq!((action.done, action.ended, action.failed), (6, 0, 1));
    assert!(fresh.store.intended_letters(id, 10).await.unwrap().is_empty());

    assert!(fresh.store.due_letters(id, now(), 10).await.unwrap().is_empty());
    assert_eq!(fresh.store.due_letters(id, second(1), 10).await.unwrap().len(), 5);
    let fates = [
        (all[0], LetterFate::Gone),
        (all[1], failed("expired")),
        (all[2], open(90, false)),
        (Uuid::from_u128(99), LetterFate::Gone),
    ];
    for _ in 0..2 {
        fresh.store.letters_looked_at(id, &fates, second(1)).await.unwrap();
    }
    let action = fresh.bulk(id).await;
    assert_eq!((action.done, action.ended, action.failed), (6, 1, 2));
    let left = fresh.store.open_letters(id).await.unwrap();
    assert_eq!(
        left,
        OpenLetters {
            ready: 2,
            waiting: 1,
            look_at: Some(second(1)),
        }
    );
    // One that failed is not told to have ended after all.
    fresh
        .store
        .letters_looked_at(id, &[(all[1], LetterFate::Gone)], second(2))
        .await
        .unwrap();
    assert_eq!(fresh.bulk(id).await.ended, 1);
    let failures = fresh.store.failed_letters(id, None, 1).await.unwrap();
    assert_eq!((failures[0].job, failures[0].reason.as_str()), (all[1], "expired"));
    let rest = fresh.store.failed_letters(id, Some(failures[0].job), 10).await.unwrap();
    assert_eq!((rest.len(), rest[0].job), (1, Uuid::from_u128(6)));
}

async fn a_step_that_was_followed_or_stopped_writes_nothing(fresh: Fresh) {
    let id = fresh.asked().await;
    let advance = async |step, state, ends| {
        fresh
            .store
            .advance_bulk_action(id, step, state, ends, now())
            .await
            .unwrap()
    };
    assert!(advance(0, BulkState::WatchingCanary, false).await);
    assert!(advance(0, BulkState::Running, true).await);
    assert!(!advance(0, BulkState::Running, true).await);
    assert_eq!(fresh.take_up(id, 0, &letters(1..2)).await, None);
    assert!(fresh.take_up(id, 1, &letters(1..2)).await.is_some());

    assert!(fresh.store.pause_bulk_action(id, "bob", now()).await.unwrap());
    assert!(!advance(1, BulkState::Running, true).await);
    assert_eq!(fresh.take_up(id, 1, &letters(2..3)).await, None);
    assert_eq!(fresh.store.resume_bulk_action(id, "cat", now()).await.unwrap(), Some(2));
    assert!(!advance(1, BulkState::Running, true).await);
    assert!(advance(2, BulkState::Running, true).await);
    let action = fresh.bulk(id).await;
    assert_eq!((action.step, action.changed_by.as_deref()), (3, Some("cat")));

    assert!(fresh.store.cancel_bulk_action(id, "dan", now()).await.unwrap());
    assert!(!fresh.store.cancel_bulk_action(id, "eve", now()).await.unwrap());
    assert!(!fresh.store.pause_bulk_action(id, "eve", now()).await.unwrap());
    assert_eq!(fresh.store.resume_bulk_action(id, "eve", now()).await.unwrap(), None);
    assert!(!advance(3, BulkState::Done, true).await);
}

async fn the_list_ends_when_it_has_nothing_new_from_its_beginning_to_its_end(fresh: Fresh) {
    let id = fresh.asked().await;
    let take = async |letters: &[Uuid], cursor: Option<&str>| {
        let taken = fresh.store.take_up_letters(id, 0, letters, cursor, now()).await;
        taken.unwrap().unwrap().is_exhausted
    };
    assert!(!take(&letters(1..3), Some("a")).await);
    assert!(!take(&[], None).await, "the first time through it had two");
    assert!(!take(&letters(2..4), Some("a")).await);
    assert!(!take(&[], None).await, "the second time it had a new one");
    assert!(!take(&letters(1..4), Some("a")).await);
    assert!(take(&[], None).await);
    let action = fresh.bulk(id).await;
    assert_eq!((action.exhausted, action.cursor), (true, None));
}

async fn the_canary_passes_once(fresh: Fresh) {
    let id = fresh.asked().await;
    fresh.store.pass_bulk_canary(id, second(5)).await.unwrap();
    fresh.store.pass_bulk_canary(id, second(9)).await.unwrap();
    assert_eq!(fresh.bulk(id).await.canary_passed_at, Some(second(5)));
}

async fn only_actions_that_ended_long_ago_are_forgotten(fresh: Fresh) {
    let (running, ended) = (fresh.asked().await, fresh.asked().await);
    fresh.take_up(ended, 0, &letters(1..4)).await;
    fresh.store.cancel_bulk_action(ended, "ann", second(3)).await.unwrap();
    assert_eq!(fresh.store.forget_bulk_actions(second(3)).await.unwrap(), 0);
    assert_eq!(fresh.store.forget_bulk_actions(second(4)).await.unwrap(), 1);
    assert_eq!(fresh.store.bulk_action(ended).await.unwrap(), None);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM bulk_action_letters").await, 0);
    assert_eq!(fresh.bulk(running).await.state, BulkState::Running);
}

async fn edits_of_a_dead_letter_are_kept_sealed_until_they_are_forgotten(fresh: Fresh) {
    let job = Uuid::from_u128(1);
    let edit = |by: &str, seconds| DeadLetterEdit {
        by: by.into(),
        at: now() + TimeDelta::seconds(seconds),
        changes: PersonalText::new(r#"[{"path":"to","before":"marie@example.com","after":"eve@example.com"}]"#),
    };
    let keep = async |edit: &DeadLetterEdit| {
        let kept = fresh.store.record_dead_letter_edit(fresh.tenant, job, edit).await;
        kept.unwrap()
    };
    let meant = DeadLetterEdit {
        changes: PersonalText::new("what was meant"),
        ..edit("bob", 5)
    };
    let id = keep(&meant).await;
    keep(&edit("ann", 0)).await;
    assert_eq!(
        fresh.store.dead_letter_edits(job).await.unwrap(),
        [edit("ann", 0), meant]
    );
    fresh.store.settle_edit(id, &edit("bob", 5).changes).await.unwrap();
    assert_eq!(
        fresh.store.dead_letter_edits(job).await.unwrap(),
        [edit("ann", 0), edit("bob", 5)]
    );
    assert!(
        fresh
            .store
            .dead_letter_edits(Uuid::from_u128(2))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(fresh.store.forget_dead_letter_edits(second(5)).await.unwrap(), 1);
    assert_eq!(fresh.store.dead_letter_edits(job).await.unwrap(), [edit("bob", 5)]);
}

both!(
    an_action_is_remembered_as_it_was_asked_for,
    a_letter_is_counted_once_however_often_it_is_told,
    a_step_that_was_followed_or_stopped_writes_nothing,
    the_list_ends_when_it_has_nothing_new_from_its_beginning_to_its_end,
    the_canary_passes_once,
    only_actions_that_ended_long_ago_are_forgotten,
    edits_of_a_dead_letter_are_kept_sealed_until_they_are_forgotten,
);

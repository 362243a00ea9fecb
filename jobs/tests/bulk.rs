//! Bulk actions on dead letters, step by step: on every queue, and with workers that die at any point.
#![allow(clippy::unwrap_used)]

#[path = "support/scene.rs"]
mod scene;

use domain::{BulkAct, BulkState};
use jobs::ActOnDeadLetters;
use jobs::bulk::{self, Selection};
use queue::backend::{DeadFilter, Reason, State};
use queue::grouping::GroupId;

use scene::{GROUPED, OTHERWISE, Scene, asked};

/// Runs each promise on every kind of queue.
macro_rules! on_every_queue {
    ($($promise:ident),+ $(,)?) => {$(
        mod $promise {
            use crate::scene::Scene;

            #[tokio::test]
            async fn on_sqlite() {
                super::$promise(Scene::sqlite().await).await;
            }

            #[cfg(feature = "services")]
            #[tokio::test]
            async fn on_postgres() {
                super::$promise(Scene::postgres().await).await;
            }

            #[cfg(feature = "services")]
            #[tokio::test]
            async fn on_redis() {
                super::$promise(Scene::redis().await).await;
            }
        }
    )+};
}

on_every_queue!(
    every_letter_of_a_group_is_retried_once_and_those_that_die_again_are_listed,
    a_canary_that_dies_again_leaves_the_others_alone,
    a_canary_that_ends_well_is_followed_by_all,
    letters_that_match_are_deleted_and_no_others,
    letters_go_at_the_rate_that_was_asked_for,
    an_action_is_paused_resumed_and_cancelled,
    a_worker_that_dies_anywhere_in_a_step_skips_no_letter_and_acts_on_none_twice,
    what_died_after_the_action_was_asked_for_is_left_alone,
    a_letter_that_somebody_else_retried_first_is_left_alone,
    a_letter_that_died_again_before_it_was_acted_on_is_left_alone,
    an_action_whose_worker_died_between_two_steps_goes_on,
);

fn of_group() -> Selection {
    let group = GroupId::of("probe", Reason::Refused, GROUPED);
    Selection(DeadFilter {
        group: Some(group),
        ..DeadFilter::default()
    })
}

async fn every_letter_of_a_group_is_retried_once_and_those_that_die_again_are_listed(scene: Scene) {
    scene.kill(0..250, GROUPED).await;
    scene.kill(250..280, OTHERWISE).await;
    let counted = bulk::preview(scene.backend(), &of_group()).await.unwrap();
    assert_eq!((counted.matched, counted.groups.len()), (250, 1));

    let id = scene.begin(asked(BulkAct::Retry, of_group(), None)).await;
    let dies = |number| [7, 77, 177].contains(&number);
    let ended = scene.drive(id, || None, dies).await;
    assert_eq!(
        (ended.state, ended.matched, ended.done, ended.ended, ended.failed),
        (BulkState::Done, 250, 250, 247, 3)
    );
    assert_eq!(ended.asked_by, "ann");
    assert_eq!(scene.runs(), (0..250).map(|number| (number, 1)).collect());
    let failed = scene.failed(id).await;
    assert_eq!(failed.keys().copied().collect::<Vec<_>>(), [7, 77, 177]);
    assert!(failed[&7].starts_with("refused: "), "{failed:?}");
    assert_eq!(scene.dead().await, [7, 77, 177].into_iter().chain(250..280).collect());
}

async fn a_canary_that_dies_again_leaves_the_others_alone(scene: Scene) {
    scene.kill(0..60, GROUPED).await;
    let id = scene.begin(asked(BulkAct::Retry, of_group(), Some(5))).await;
    let canary = scene.latest_dead(5).await;
    let ended = scene.drive(id, || None, |number| number == canary[2]).await;
    assert_eq!(
        (ended.state, ended.done, ended.ended, ended.failed),
        (BulkState::Stopped, 5, 4, 1)
    );
    assert_eq!(scene.runs().len(), 5);
    assert_eq!(scene.failed(id).await.keys().copied().collect::<Vec<_>>(), [canary[2]]);
    assert_eq!(scene.dead().await.len(), 56);
}

async fn a_canary_that_ends_well_is_followed_by_all(scene: Scene) {
    scene.kill(0..60, GROUPED).await;
    let id = scene.begin(asked(BulkAct::Retry, of_group(), Some(5))).await;
    scene.step(id).await;
    scene.step(id).await;
    let watching = scene.action(id).await;
    assert_eq!((watching.state, watching.done), (BulkState::WatchingCanary, 5));
    scene.advance(60_000);
    scene.step(id).await;
    assert_eq!(scene.action(id).await.done, 5, "none of the five has run");

    let canary = scene.latest_dead(60).await;
    let ended = scene
        .drive(id, || None, |number| canary.contains(&number) && number % 10 == 0)
        .await;
    assert_eq!((ended.state, ended.done), (BulkState::Done, 60));
    assert!(ended.canary_passed_at.is_some());
    assert!(ended.failed > 0, "what fails after the first ones stops nothing");
    assert_eq!(scene.runs(), (0..60).map(|number| (number, 1)).collect());
}

async fn letters_that_match_are_deleted_and_no_others(scene: Scene) {
    scene.kill(0..130, GROUPED).await;
    scene.kill(130..140, OTHERWISE).await;
    let by_text = Selection(DeadFilter {
        text: Some("NO ROOM".into()),
        ..DeadFilter::default()
    });
    assert_eq!(bulk::preview(scene.backend(), &by_text).await.unwrap().matched, 130);
    let id = scene.begin(asked(BulkAct::Delete, by_text, None)).await;
    let ended = scene.drive(id, || None, |_| true).await;
    assert_eq!((ended.state, ended.done, ended.failed), (BulkState::Done, 130, 0));
    assert_eq!(scene.dead().await, (130..140).collect());
    assert!(scene.runs().is_empty());
}

async fn letters_go_at_the_rate_that_was_asked_for(scene: Scene) {
    scene.kill(0..20, GROUPED).await;
    let mut asked = asked(BulkAct::Retry, of_group(), None);
    asked.rate = 4;
    let id = scene.begin(asked).await;
    let begun_at = scene.now();
    scene.step(id).await;
    let action = scene.action(id).await;
    assert_eq!((action.done, action.step), (4, 1));
    let next = scene.backend().find(bulk::job_of(&action)).await.unwrap().unwrap();
    assert_eq!(
        next.state,
        State::Scheduled {
            run_at: begun_at + 1000
        }
    );
}

async fn an_action_is_paused_resumed_and_cancelled(scene: Scene) {
    scene.kill(0..300, GROUPED).await;
    let id = scene.begin(asked(BulkAct::Retry, of_group(), None)).await;
    let store = &scene.ctx.store;
    scene.step(id).await;
    assert!(store.pause_bulk_action(id, "bob", scene.time()).await.unwrap());
    assert!(!store.pause_bulk_action(id, "eve", scene.time()).await.unwrap());
    scene.step(id).await;
    let paused = scene.action(id).await;
    assert_eq!((paused.state, paused.done), (BulkState::Paused, 100));
    assert_eq!(paused.changed_by.as_deref(), Some("bob"));

    assert!(
        bulk::resume(store, &scene.ctx.queue, id, "cat", scene.time())
            .await
            .unwrap()
    );
    scene.step(id).await;
    assert_eq!(scene.action(id).await.done, 200);

    assert!(store.cancel_bulk_action(id, "dan", scene.time()).await.unwrap());
    scene.step(id).await;
    let cancelled = scene.action(id).await;
    assert_eq!((cancelled.state, cancelled.done), (BulkState::Cancelled, 200));
    assert!(
        !bulk::resume(store, &scene.ctx.queue, id, "eve", scene.time())
            .await
            .unwrap()
    );
    assert_eq!(scene.dead().await.len(), 100);
}

async fn a_worker_that_dies_anywhere_in_a_step_skips_no_letter_and_acts_on_none_twice(scene: Scene) {
    const LETTERS: u32 = 60;
    scene.kill(0..LETTERS, GROUPED).await;
    let mut asked = asked(BulkAct::Retry, of_group(), Some(4));
    asked.rate = 3;
    let id = scene.begin(asked).await;
    let mut waits = 0;
    let passed = scene.latest_dead(4).await;
    let dies = |number| number % 5 == 0 && !passed.contains(&number);
    let cuts = || {
        waits = (waits + 1) % 60;
        Some(waits)
    };
    let ended = scene.drive(id, cuts, dies).await;
    let died: Vec<_> = (0..LETTERS).filter(|number| dies(*number)).collect();
    assert_eq!(scene.runs(), (0..LETTERS).map(|number| (number, 1)).collect());
    assert_eq!((ended.state, ended.done), (BulkState::Done, u64::from(LETTERS)));
    assert_eq!(
        (ended.failed, ended.ended),
        (died.len() as u64, u64::from(LETTERS) - died.len() as u64)
    );
    assert_eq!(scene.failed(id).await.keys().copied().collect::<Vec<_>>(), died);
}

async fn what_died_after_the_action_was_asked_for_is_left_alone(scene: Scene) {
    scene.kill(0..3, GROUPED).await;
    let id = scene.begin(asked(BulkAct::Delete, of_group(), None)).await;
    scene.advance(1);
    scene.kill(3..6, GROUPED).await;
    let ended = scene.drive(id, || None, |_| false).await;
    assert_eq!((ended.matched, ended.done), (3, 3));
    assert_eq!(scene.dead().await, (3..6).collect());
}

async fn a_letter_that_somebody_else_retried_first_is_left_alone(scene: Scene) {
    scene.kill(0..4, GROUPED).await;
    let id = scene.begin(asked(BulkAct::Delete, of_group(), None)).await;
    // Written down as about to be deleted by a worker that died then; meanwhile somebody retries two of them.
    let letters: Vec<_> = (0..4).map(|number| scene::id(number).0).collect();
    let taken = scene
        .ctx
        .store
        .take_up_letters(id, 0, &letters, None, scene.time())
        .await
        .unwrap();
    assert_eq!(taken.unwrap().new.len(), 4);
    for number in [1, 2] {
        scene
            .backend()
            .retry_dead(scene::id(number), None, scene.now())
            .await
            .unwrap();
    }
    scene.step(id).await;
    assert_eq!(
        (scene.action(id).await.state, scene.action(id).await.done),
        (BulkState::Done, 4)
    );
    scene.advance(1000);
    scene.work(|_| false).await;
    assert_eq!(scene.runs().into_keys().collect::<Vec<_>>(), [1, 2]);
    assert!(scene.dead().await.is_empty());
}

async fn a_letter_that_died_again_before_it_was_acted_on_is_left_alone(scene: Scene) {
    scene.kill(0..4, GROUPED).await;
    let id = scene.begin(asked(BulkAct::Retry, of_group(), None)).await;
    // Written down as about to be retried by a worker that died then; meanwhile two of them live and die again.
    let letters: Vec<_> = (0..4).map(|number| scene::id(number).0).collect();
    let store = &scene.ctx.store;
    let taken = store.take_up_letters(id, 0, &letters, None, scene.time()).await;
    assert_eq!(taken.unwrap().unwrap().new.len(), 4);
    for number in [1, 2] {
        let retried = scene.backend().retry_dead(scene::id(number), None, scene.now()).await;
        assert!(retried.unwrap());
    }
    scene.advance(1);
    scene.work(|_| true).await;
    let ended = scene.drive(id, || None, |_| false).await;
    assert_eq!((ended.state, ended.ended, ended.failed), (BulkState::Done, 2, 2));
    assert_eq!(scene.runs(), (0..4).map(|number| (number, 1)).collect());
    assert_eq!(scene.dead().await, [1, 2].into());
}

async fn an_action_whose_worker_died_between_two_steps_goes_on(scene: Scene) {
    scene.kill(0..4, GROUPED).await;
    let id = scene.begin(asked(BulkAct::Retry, of_group(), None)).await;
    let store = &scene.ctx.store;
    let ended = store
        .advance_bulk_action(id, 0, BulkState::Running, true, scene.time())
        .await;
    assert!(ended.unwrap());
    let next = bulk::job_of(&scene.action(id).await);
    assert!(
        scene.backend().find(next).await.unwrap().is_none(),
        "the worker did not get to it"
    );
    scene.run(ActOnDeadLetters { action: id, step: 0 }).await;
    assert!(scene.backend().find(next).await.unwrap().is_some(), "nothing goes on");
    assert!(scene.runs().is_empty());
    scene.run(ActOnDeadLetters { action: id, step: 0 }).await;
    let ended = scene.drive(id, || None, |_| false).await;
    assert_eq!((ended.state, ended.ended), (BulkState::Done, 4));
}

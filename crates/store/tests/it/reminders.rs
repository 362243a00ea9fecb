//! What is overdue is marked once, whoever looks, and each mark leaves a reminder that is told once.

use std::collections::HashSet;

use chrono::TimeDelta;
use domain::interaction::{InteractionStatus, Telling, Warning};
use domain::{InteractionId, MessageEnd, PersonalText, Role, UserId};
use store::{InteractionDraft, InteractionEdit, ReminderBatch, Which, WithWhom};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fresh::{Fresh, now, second};
use crate::scene::{NUMBER, outgoing};

const DIGEST_OVER: u32 = 3;

impl Fresh {
    async fn overdue(&self, assignee: Option<UserId>, title: &str) -> InteractionId {
        let draft = InteractionDraft {
            with: WithWhom::Person("ana".into()),
            title: Some(PersonalText::new(title)),
            note: None,
            assignee,
            next_action_at: Some(now() - TimeDelta::hours(1)),
        };
        self.ask_for(&draft, now()).await.id
    }

    async fn claim_due(&self) -> u64 {
        self.store.claim_overdue(100, now()).await.unwrap()
    }

    async fn gather(&self, member: UserId, batch: u128) -> Vec<ReminderBatch> {
        let gathered = self
            .store
            .gather_reminders(self.tenant, member, Uuid::from_u128(batch), DIGEST_OVER);
        gathered.await.unwrap();
        let mut batches = self.store.reminder_batches(self.tenant, member).await.unwrap();
        batches.sort_by_key(|batch| batch.id);
        batches
    }

    async fn told(&self, member: UserId, batch: u128, warning: Option<Warning>) {
        let ended = self
            .store
            .end_reminder_batch(self.tenant, member, Uuid::from_u128(batch), warning);
        ended.await.unwrap();
    }

    async fn titles_of(&self, member: UserId, batch: u128) -> Vec<String> {
        let reminded = self.store.reminded(self.tenant, member, Uuid::from_u128(batch), 100);
        let titles = reminded.await.unwrap().into_iter();
        titles.map(|one| one.title.unwrap().expose().to_owned()).collect()
    }

    async fn ben(&self) -> UserId {
        self.join(self.tenant, "ben@example.com", Role::Sales).await.user
    }
}

fn batch(id: u128, count: u64, telling: Telling) -> ReminderBatch {
    ReminderBatch {
        id: Uuid::from_u128(id),
        count,
        telling,
    }
}

async fn only_open_work_of_somebody_whose_time_has_passed_is_marked(fresh: Fresh) {
    let ben = fresh.ben().await;
    let late = fresh.overdue(Some(ben), "late").await;
    fresh.overdue(None, "nobody's").await;
    let done = fresh.overdue(Some(ben), "done").await;
    fresh.edit(done, InteractionEdit::Status(InteractionStatus::Done)).await;
    let early = fresh.overdue(Some(ben), "early").await;
    fresh.edit(early, InteractionEdit::NextAction(Some(now()))).await;

    assert_eq!(fresh.claim_due().await, 1);
    assert_eq!(fresh.claim_due().await, 0, "once");
    let found = fresh.store.interaction(fresh.tenant, late).await.unwrap().unwrap();
    assert_eq!((found.notified_at, found.version), (Some(now()), 1), "nobody's change");
    let members = fresh.store.members_to_remind(None, 10).await.unwrap();
    assert_eq!(members, [(fresh.tenant, ben)]);
    assert_eq!(fresh.store.members_to_remind(Some(members[0]), 10).await.unwrap(), []);
    assert_eq!(fresh.gather(ben, 1).await, [batch(1, 1, Telling::Each)]);
    assert_eq!(fresh.titles_of(ben, 1).await, ["late"]);
}

async fn of_many_who_mark_at_once_each_has_others(fresh: Fresh) {
    let ben = fresh.ben().await;
    for n in 0..40 {
        fresh.overdue(Some(ben), &n.to_string()).await;
    }
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = fresh.store.clone();
        tasks.spawn(async move {
            let mut marked = 0;
            loop {
                match store.claim_overdue(3, now()).await.unwrap() {
                    0 => return marked,
                    more => marked += more,
                }
            }
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<u64>(), 40);
    assert_eq!(fresh.gather(ben, 1).await, [batch(1, 40, Telling::Digest)]);
    let titles: HashSet<_> = fresh.titles_of(ben, 1).await.into_iter().collect();
    assert_eq!(titles.len(), 40);
}

async fn a_batch_stays_what_it_is_and_what_comes_later_is_in_another(fresh: Fresh) {
    let ben = fresh.ben().await;
    for title in ["a", "b"] {
        fresh.overdue(Some(ben), title).await;
    }
    fresh.claim_due().await;
    assert_eq!(fresh.gather(ben, 1).await, [batch(1, 2, Telling::Each)]);
    for title in ["c", "d", "e", "f"] {
        fresh.overdue(Some(ben), title).await;
    }
    fresh.claim_due().await;
    let both = [batch(1, 2, Telling::Each), batch(2, 4, Telling::Digest)];
    assert_eq!(fresh.gather(ben, 2).await, both);
    assert_eq!(fresh.gather(ben, 3).await, both, "nothing was left to gather");
    fresh.told(ben, 1, None).await;
    assert_eq!(fresh.gather(ben, 4).await, both[1..]);
    fresh.told(ben, 2, None).await;
    assert_eq!(fresh.store.members_to_remind(None, 10).await.unwrap(), []);
}

async fn only_another_time_of_the_next_action_is_told_anew(fresh: Fresh) {
    let (ben, eve) = (
        fresh.ben().await,
        fresh.join(fresh.tenant, "eve@example.com", Role::Sales).await.user,
    );
    let id = fresh.overdue(Some(ben), "visit").await;
    fresh.claim_due().await;
    fresh.gather(ben, 1).await;
    fresh.told(ben, 1, None).await;
    let found = fresh.store.interaction(fresh.tenant, id).await.unwrap().unwrap();
    for edit in [
        InteractionEdit::Status(InteractionStatus::InProgress),
        InteractionEdit::Assignee(Some(eve)),
        InteractionEdit::NextAction(found.next_action_at),
        InteractionEdit::Status(InteractionStatus::Done),
        InteractionEdit::Status(InteractionStatus::Todo),
    ] {
        let edited = fresh.edit(id, edit).await;
        assert_eq!(
            (edited.notified_at, edited.warning),
            (found.notified_at, found.warning),
            "{edit:?}"
        );
        assert_eq!(fresh.claim_due().await, 0, "{edit:?}");
    }
    for at in [second(-9), second(-8), second(-9)] {
        let edited = fresh.edit(id, InteractionEdit::NextAction(Some(at))).await;
        assert_eq!((edited.notified_at, edited.warning), (None, None));
        assert_eq!(fresh.claim_due().await, 1);
        assert_eq!(fresh.claim_due().await, 0);
        assert_eq!(fresh.gather(eve, 7).await, [batch(7, 1, Telling::Each)]);
        fresh.told(eve, 7, None).await;
    }
}

async fn who_could_not_be_told_leaves_it_to_be_told_to_whose_work_it_is_next(fresh: Fresh) {
    let eve = fresh.join(fresh.tenant, "eve@example.com", Role::Sales).await.user;
    let ben = fresh.ben().await;
    let (one, other) = (fresh.overdue(Some(ben), "a").await, fresh.overdue(Some(ben), "b").await);
    fresh.claim_due().await;
    fresh.gather(ben, 1).await;
    fresh.told(ben, 1, Some(Warning::NoChannel)).await;
    let edited = fresh.edit(one, InteractionEdit::Assignee(Some(eve))).await;
    assert_eq!((edited.notified_at, edited.warning), (None, None));
    let (these, actor) = (Which::These(vec![other]), domain::Actor::System);
    let given = fresh
        .store
        .assign_interactions(fresh.tenant, &these, Some(eve), &actor, now());
    given.await.unwrap();
    assert_eq!(fresh.claim_due().await, 2);
    assert_eq!(fresh.gather(eve, 2).await, [batch(2, 2, Telling::Each)]);
}

async fn a_message_that_does_not_arrive_is_a_warning_on_what_it_was_to_tell(fresh: Fresh) {
    let ben = fresh.ben().await;
    let (one, two, three) = (
        fresh.overdue(Some(ben), "a").await,
        fresh.overdue(Some(ben), "b").await,
        fresh.overdue(Some(ben), "c").await,
    );
    fresh.claim_due().await;
    fresh.gather(ben, 1).await;
    let (tenant, batch) = (fresh.tenant, Uuid::from_u128(1));
    let mut messages = Vec::new();
    for (request, about) in [("first", one), ("second", two), ("third", three)] {
        let message = fresh.begin(&outgoing(&fresh, request, NUMBER), now()).await;
        let told = fresh.store.told_by(tenant, ben, batch, Some(about), message);
        told.await.unwrap();
        messages.push(message);
    }
    fresh.told(ben, 1, None).await;
    fresh.edit(two, InteractionEdit::NextAction(Some(second(9)))).await;
    for message in &messages[..2] {
        let end = MessageEnd::Failed { code: "manual".into() };
        fresh.store.end_message(tenant, *message, &end, now()).await.unwrap();
    }
    for (id, expected) in [(one, Some(Warning::NotDelivered)), (two, None), (three, None)] {
        let found = fresh.store.interaction(tenant, id).await.unwrap().unwrap();
        assert_eq!(
            found.warning,
            expected,
            "{:?}",
            found.title.map(|title| title.expose().to_owned())
        );
    }
}

async fn what_is_not_so_any_more_before_it_is_told_is_not_told(fresh: Fresh) {
    let (ben, eve) = (
        fresh.ben().await,
        fresh.join(fresh.tenant, "eve@example.com", Role::Sales).await.user,
    );
    let mut ids = Vec::new();
    for title in ["done", "moved", "given", "nobody's", "removed", "stays"] {
        ids.push(fresh.overdue(Some(ben), title).await);
    }
    assert_eq!(fresh.claim_due().await, 6);
    fresh
        .edit(ids[0], InteractionEdit::Status(InteractionStatus::Done))
        .await;
    fresh.edit(ids[1], InteractionEdit::NextAction(Some(second(9)))).await;
    fresh.edit(ids[2], InteractionEdit::Assignee(Some(eve))).await;
    fresh.edit(ids[3], InteractionEdit::Assignee(None)).await;
    let actor = domain::Actor::System;
    let writer = store::Editor {
        actor: &actor,
        role: Role::Owner,
    };
    fresh
        .store
        .delete_interaction(fresh.tenant, ids[4], writer, None)
        .await
        .unwrap();
    fresh.gather(ben, 1).await;
    fresh.gather(eve, 2).await;
    assert_eq!(fresh.titles_of(ben, 1).await, ["stays"]);
    assert_eq!(fresh.titles_of(eve, 2).await, ["given"]);
}

async fn what_was_not_told_before_it_was_not_so_is_told_when_it_is_so_again(fresh: Fresh) {
    let ben = fresh.ben().await;
    let (done, nobodys) = (
        fresh.overdue(Some(ben), "done").await,
        fresh.overdue(Some(ben), "nobody's").await,
    );
    let away = [
        (done, InteractionEdit::Status(InteractionStatus::Done)),
        (nobodys, InteractionEdit::Assignee(None)),
    ];
    let back = [
        (done, InteractionEdit::Status(InteractionStatus::Todo)),
        (nobodys, InteractionEdit::Assignee(Some(ben))),
    ];
    assert_eq!(fresh.claim_due().await, 2);
    for (id, edit) in away {
        let edited = fresh.edit(id, edit).await;
        let found = fresh.store.interaction(fresh.tenant, id).await.unwrap();
        assert_eq!((edited.notified_at, found.as_ref()), (None, Some(&edited)), "{edit:?}");
    }
    assert_eq!(fresh.claim_due().await, 0);
    assert_eq!(fresh.gather(ben, 1).await, []);
    for (id, edit) in back {
        fresh.edit(id, edit).await;
    }
    assert_eq!(fresh.claim_due().await, 2);
    assert_eq!(fresh.gather(ben, 2).await, [batch(2, 2, Telling::Each)]);
    fresh.told(ben, 2, None).await;
    for (id, edit) in away.into_iter().chain(back) {
        let edited = fresh.edit(id, edit).await;
        assert_eq!(edited.notified_at, Some(now()), "what was told stays told: {edit:?}");
    }
    assert_eq!(fresh.claim_due().await, 0);
}

both!(
    who_could_not_be_told_leaves_it_to_be_told_to_whose_work_it_is_next,
    a_message_that_does_not_arrive_is_a_warning_on_what_it_was_to_tell,
    what_was_not_told_before_it_was_not_so_is_told_when_it_is_so_again,
    only_open_work_of_somebody_whose_time_has_passed_is_marked,
    of_many_who_mark_at_once_each_has_others,
    a_batch_stays_what_it_is_and_what_comes_later_is_in_another,
    only_another_time_of_the_next_action_is_told_anew,
    what_is_not_so_any_more_before_it_is_told_is_not_told,
);

//! Interactions that people write: with versions and a history, one at a time and many at once.

use chrono::{DateTime, TimeDelta, Utc};
use domain::interaction::{InteractionField, InteractionStatus};
use domain::{Actor, ApiKeyId, EmailEvent, InteractionId, PersonalText, Role, TenantId, UserId};
use store::{
    Assigned, Editor, Holder, InboxFilter, Interaction, InteractionCreated, InteractionDraft, InteractionEdit,
    InteractionWritten, Which, WithWhom,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fresh::{Fresh, event, now, of_person, second};
use crate::scene::recipient;

/// A key of no role in particular.
fn key() -> Actor {
    Actor::Key(ApiKeyId(Uuid::from_u128(9)))
}

pub(crate) fn draft(title: &str) -> InteractionDraft {
    InteractionDraft {
        with: WithWhom::Person("ana".into()),
        title: Some(PersonalText::new(title)),
        note: None,
        assignee: None,
        next_action_at: None,
    }
}

impl Fresh {
    pub(crate) async fn ask_for(&self, draft: &InteractionDraft, at: DateTime<Utc>) -> Interaction {
        let created = self.store.create_interaction(self.tenant, draft, &key(), at).await;
        match created.unwrap() {
            InteractionCreated::Created(created) => *created,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn edit(&self, id: InteractionId, edit: InteractionEdit) -> Interaction {
        match self.edit_as(Role::Sales, id, edit, None).await {
            InteractionWritten::Written(edited) => edited,
            other => panic!("{other:?}"),
        }
    }

    async fn edit_as(
        &self,
        role: Role,
        id: InteractionId,
        edit: InteractionEdit,
        expected: Option<u64>,
    ) -> InteractionWritten<Interaction> {
        let actor = Actor::User(UserId(Uuid::from_u128(404)));
        let by = Editor { actor: &actor, role };
        let edited = self
            .store
            .edit_interaction(self.tenant, id, by, edit, expected, second(60));
        edited.await.unwrap()
    }
}

async fn what_was_asked_for_is_there_with_its_contact(fresh: Fresh) {
    let ben = fresh.join(fresh.tenant, "ben@example.com", Role::Sales).await.user;
    let asked = InteractionDraft {
        note: Some(PersonalText::new("Zoë\n17")),
        assignee: Some(ben),
        next_action_at: Some(second(7)),
        ..draft("visit")
    };
    let created = fresh.ask_for(&asked, now()).await;
    assert_eq!((created.version, created.status), (1, InteractionStatus::Todo));
    let found = fresh.store.interaction(fresh.tenant, created.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&created));
    let applied = fresh
        .apply(&of_person(event("m", EmailEvent::Opened, "1"), "ana"))
        .await;
    assert_eq!(applied.contact, created.contact_id, "the same person");
    let of_the_contact = InteractionDraft {
        with: WithWhom::Contact(created.contact_id),
        ..draft("again")
    };
    assert_eq!(
        fresh.ask_for(&of_the_contact, now()).await.contact_id,
        created.contact_id
    );
    let reached = InteractionDraft {
        with: WithWhom::Reached(recipient("marie@example.com")),
        ..draft("other")
    };
    assert_ne!(fresh.ask_for(&reached, now()).await.contact_id, created.contact_id);

    let nobody = UserId(Uuid::from_u128(1));
    let check = async |wrong: InteractionDraft, expected| {
        let created = fresh
            .store
            .create_interaction(fresh.tenant, &wrong, &key(), now())
            .await;
        assert_eq!(created.unwrap(), expected);
    };
    let of_nobody = InteractionDraft {
        assignee: Some(nobody),
        ..draft("x")
    };
    check(of_nobody, InteractionCreated::AssigneeUnknown).await;
    let with_nobody = InteractionDraft {
        with: WithWhom::Contact(domain::ContactId(nobody.0)),
        ..draft("x")
    };
    check(with_nobody, InteractionCreated::ContactUnknown).await;
}

async fn a_change_for_another_version_changes_nothing(fresh: Fresh) {
    let id = fresh.ask_for(&draft("visit"), now()).await.id;
    let begin = InteractionEdit::Status(InteractionStatus::InProgress);
    let done = InteractionEdit::Status(InteractionStatus::Done);
    let written = fresh.edit_as(Role::Sales, id, begin, Some(1)).await;
    assert!(matches!(written, InteractionWritten::Written(edited) if edited.version == 2));
    assert_eq!(
        fresh.edit_as(Role::Sales, id, done, Some(1)).await,
        InteractionWritten::Conflict(2)
    );
    assert_eq!(
        fresh.edit_as(Role::Member, id, done, Some(1)).await,
        InteractionWritten::Forbidden
    );
    let unknown = InteractionId(Uuid::from_u128(1));
    assert_eq!(
        fresh.edit_as(Role::Sales, unknown, done, None).await,
        InteractionWritten::Unknown
    );
    assert_eq!(
        fresh.edit(id, begin).await.version,
        2,
        "what stands there changes nothing"
    );
    assert_eq!(
        fresh.edit(id, done).await.version,
        3,
        "without a version the last write wins"
    );
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let actor = key();
    let by = Editor {
        actor: &actor,
        role: Role::Owner,
    };
    let theirs = fresh
        .store
        .edit_interaction(other, id, by, done, None, now())
        .await
        .unwrap();
    assert_eq!(theirs, InteractionWritten::Unknown);
    let theirs = fresh.store.delete_interaction(other, id, by, None).await.unwrap();
    assert_eq!(theirs, InteractionWritten::Unknown);
    let late = fresh
        .store
        .delete_interaction(fresh.tenant, id, by, Some(1))
        .await
        .unwrap();
    assert_eq!(late, InteractionWritten::Conflict(3));
    let gone = fresh
        .store
        .delete_interaction(fresh.tenant, id, by, Some(3))
        .await
        .unwrap();
    assert_eq!(gone, InteractionWritten::Written(()));
    assert_eq!(fresh.count("SELECT COUNT(*) FROM interaction_words").await, 0);
}

async fn of_many_who_change_one_version_one_does(fresh: Fresh) {
    let id = fresh.ask_for(&draft("visit"), now()).await.id;
    let mut tasks = JoinSet::new();
    for n in 0..20 {
        let (store, tenant) = (fresh.store.clone(), fresh.tenant);
        tasks.spawn(async move {
            let actor = key();
            let by = Editor {
                actor: &actor,
                role: Role::Sales,
            };
            let edit = InteractionEdit::NextAction(Some(second(n)));
            store.edit_interaction(tenant, id, by, edit, Some(1), now()).await
        });
    }
    let mut written = 0;
    for edited in tasks.join_all().await {
        match edited.unwrap() {
            InteractionWritten::Written(_) => written += 1,
            InteractionWritten::Conflict(2) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(written, 1);
    let (changes, next) = fresh
        .store
        .interaction_changes(fresh.tenant, id, None, 10)
        .await
        .unwrap()
        .unwrap();
    let fields: Vec<_> = changes.iter().map(|change| change.field).collect();
    assert_eq!(fields, [InteractionField::NextActionAt, InteractionField::Created]);
    assert_eq!((changes[0].before.as_deref(), next), (None, None));
    assert!(
        changes[0].after.as_deref().is_some_and(|after| after.ends_with('Z')),
        "{changes:?}"
    );
}

async fn many_are_given_at_once_and_who_leaves_leaves_them_to_nobody(fresh: Fresh) {
    let ben = fresh.join(fresh.tenant, "ben@example.com", Role::Sales).await.user;
    let (mut ids, mut some) = (Vec::new(), Vec::new());
    for n in 0..6 {
        let id = fresh.ask_for(&draft(&format!("number {n}")), second(n)).await.id;
        ids.push(id);
        some.extend((n < 4).then_some(id));
    }
    let give = async |tenant: TenantId, which: Which, to: Option<UserId>| {
        let given = fresh
            .store
            .assign_interactions(tenant, &which, to, &key(), second(9))
            .await;
        given.unwrap()
    };
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let done = |assigned| Assigned::Done { assigned, more: false };
    assert_eq!(
        give(other, Which::These(some.clone()), None).await,
        done(0),
        "another tenant's are not there"
    );
    assert_eq!(
        give(other, Which::These(some.clone()), Some(ben)).await,
        Assigned::AssigneeUnknown
    );
    assert_eq!(give(fresh.tenant, Which::These(some.clone()), Some(ben)).await, done(4));
    let all = Which::Of(InboxFilter::default());
    assert_eq!(
        give(fresh.tenant, all.clone(), Some(ben)).await,
        done(2),
        "only those that were not theirs"
    );
    assert_eq!(give(fresh.tenant, all, Some(ben)).await, done(0));

    let author = domain::Author::system();
    let removed = fresh
        .store
        .remove_member(fresh.tenant, ben, Role::Owner, &author, second(10));
    assert!(matches!(removed.await.unwrap(), store::MemberChanged::Done(_)));
    for id in ids {
        let found = fresh.store.interaction(fresh.tenant, id).await.unwrap().unwrap();
        assert_eq!((found.assignee, found.version), (None, 3));
        let (changes, _) = fresh
            .store
            .interaction_changes(fresh.tenant, id, None, 10)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (changes[0].actor.clone(), changes[0].before.clone()),
            (Actor::System, Some(ben.to_string()))
        );
    }
}

async fn what_is_too_much_at_once_goes_on_when_it_is_asked_again(fresh: Fresh) {
    let ben = fresh.join(fresh.tenant, "ben@example.com", Role::Sales).await.user;
    fresh.ask_for(&draft("first"), now()).await;
    let id = match fresh.store.db() {
        store::Db::Postgres(_) => "gen_random_uuid()",
        store::Db::Sqlite { .. } => "randomblob(16)",
    };
    let fill = format!(
        "INSERT INTO interactions (id, tenant_id, contact_id, status, reason, creator, created_at, updated_at)
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 600)
         SELECT {id}, tenant_id, contact_id, status, reason, creator, created_at, updated_at FROM interactions, numbers"
    );
    fresh.execute(fill).await.unwrap();
    let give = async || {
        let (all, by) = (Which::Of(InboxFilter::default()), key());
        let given = fresh
            .store
            .assign_interactions(fresh.tenant, &all, Some(ben), &by, second(9));
        given.await.unwrap()
    };
    let given = |assigned, more| Assigned::Done { assigned, more };
    assert_eq!(give().await, given(500, true));
    assert_eq!(give().await, given(101, false));
    assert_eq!(give().await, given(0, false));
    let author = domain::Author::system();
    let removed = fresh
        .store
        .remove_member(fresh.tenant, ben, Role::Owner, &author, second(10));
    assert!(matches!(removed.await.unwrap(), store::MemberChanged::Done(_)));
    let held = "SELECT COUNT(*) FROM interactions WHERE assignee IS NOT NULL";
    assert_eq!(fresh.count(held).await, 0);
}

async fn what_somebody_took_meanwhile_is_not_taken_away(fresh: Fresh) {
    let ben = fresh.join(fresh.tenant, "ben@example.com", Role::Sales).await.user;
    let eve = fresh.join(fresh.tenant, "eve@example.com", Role::Sales).await.user;
    for round in 1..=5 {
        for n in 0..20 {
            fresh.ask_for(&draft(&format!("number {n}")), second(n)).await;
        }
        let mut tasks = JoinSet::new();
        for n in 0..8 {
            let (store, tenant) = (fresh.store.clone(), fresh.tenant);
            tasks.spawn(async move {
                let nobodys = Which::Of(InboxFilter {
                    holder: Some(Holder::Nobody),
                    ..InboxFilter::default()
                });
                let to = Some(if n % 2 == 0 { ben } else { eve });
                let given = store.assign_interactions(tenant, &nobodys, to, &key(), now()).await;
                match given.unwrap() {
                    Assigned::Done { assigned, .. } => assigned,
                    other => panic!("{other:?}"),
                }
            });
        }
        let assigned: usize = tasks.join_all().await.into_iter().sum();
        assert_eq!(assigned, 20, "each of them once, in round {round}");
    }
    let changed = "SELECT COUNT(*) FROM interaction_changes WHERE field = 'assignee' AND before IS NOT NULL";
    assert_eq!(fresh.count(changed).await, 0);
}

async fn what_a_key_created_is_that_of_the_keys_in_its_place_too(fresh: Fresh) {
    let author = domain::Author::system();
    let first = fresh.store.create_api_key(fresh.tenant, Role::Member, &author, now());
    let first = first.await.unwrap().key.id;
    let mut keys = vec![first];
    for n in 1..=2 {
        let overlap = TimeDelta::days(1);
        let rotated = fresh
            .store
            .rotate_api_key(fresh.tenant, keys[n - 1], overlap, &author, second(1));
        keys.push(rotated.await.unwrap().unwrap().key.id);
    }
    let other = fresh.store.create_api_key(fresh.tenant, Role::Member, &author, now());
    let other = other.await.unwrap().key.id;
    let done = InteractionEdit::Status(InteractionStatus::Done);
    let check = async |creator: ApiKeyId, key: ApiKeyId, may: bool| {
        let created = fresh
            .store
            .create_interaction(fresh.tenant, &draft("visit"), &Actor::Key(creator), now())
            .await;
        let InteractionCreated::Created(created) = created.unwrap() else {
            panic!("it should be there")
        };
        let actor = Actor::Key(key);
        let by = Editor {
            actor: &actor,
            role: Role::Member,
        };
        let edited = fresh
            .store
            .edit_interaction(fresh.tenant, created.id, by, done, None, now());
        let edited = edited.await.unwrap();
        assert_eq!(!matches!(edited, InteractionWritten::Forbidden), may, "{edited:?}");
        let deleted = fresh.store.delete_interaction(fresh.tenant, created.id, by, None).await;
        assert_eq!(deleted.unwrap() == InteractionWritten::Written(()), may);
    };
    for (creator, key, may) in [
        (keys[0], keys[1], true),
        (keys[0], keys[2], true),
        (keys[1], keys[0], true),
        (keys[0], other, false),
        (other, keys[2], false),
        (ApiKeyId(Uuid::from_u128(9)), keys[0], false),
    ] {
        check(creator, key, may).await;
    }
}

async fn who_leaves_while_work_is_given_to_them_has_none(fresh: Fresh) {
    let ben = fresh.join(fresh.tenant, "ben@example.com", Role::Sales).await.user;
    let mut tasks = JoinSet::new();
    for n in 0..12 {
        let id = fresh.ask_for(&draft(&format!("number {n}")), now()).await.id;
        let (store, tenant) = (fresh.store.clone(), fresh.tenant);
        tasks.spawn(async move {
            let actor = key();
            let by = Editor {
                actor: &actor,
                role: Role::Sales,
            };
            let edit = InteractionEdit::Assignee(Some(ben));
            let edited = store.edit_interaction(tenant, id, by, edit, None, now()).await;
            match edited.unwrap() {
                InteractionWritten::Written(_) | InteractionWritten::AssigneeUnknown => {}
                other => panic!("{other:?}"),
            }
        });
    }
    let author = domain::Author::system();
    let removed = fresh
        .store
        .remove_member(fresh.tenant, ben, Role::Owner, &author, second(1));
    removed.await.unwrap();
    tasks.join_all().await;
    let held = "SELECT COUNT(*) FROM interactions WHERE assignee IS NOT NULL";
    assert_eq!(fresh.count(held).await, 0);
}

both!(
    what_somebody_took_meanwhile_is_not_taken_away,
    what_a_key_created_is_that_of_the_keys_in_its_place_too,
    who_leaves_while_work_is_given_to_them_has_none,
    what_is_too_much_at_once_goes_on_when_it_is_asked_again,
    what_was_asked_for_is_there_with_its_contact,
    a_change_for_another_version_changes_nothing,
    of_many_who_change_one_version_one_does,
    many_are_given_at_once_and_who_leaves_leaves_them_to_nobody,
);

//! Members: people who work for tenants.

use domain::{
    AuditAction, Author, Channel, EmailAddress, Language, MemberRefusal, Notify, OperatorName, PersonalText, Role,
    TenantId,
};
use store::{AuditFilter, Member, MemberChange, MemberChanged, NewMember, StoreError};

use crate::fresh::{Fresh, now, second};
use crate::scene::{NUMBER, recipient};

fn ann() -> Author {
    Author::operator(OperatorName::parse("ann").unwrap())
}

pub(crate) fn new(email: &str, role: Role) -> NewMember {
    NewMember {
        email: EmailAddress::parse(email).unwrap(),
        role,
        name: None,
        notify: Notify::Email,
        language: None,
    }
}

fn done(changed: MemberChanged) -> Member {
    match changed {
        MemberChanged::Done(member) => member,
        other => panic!("{other:?}"),
    }
}

impl Fresh {
    pub(crate) async fn join(&self, tenant: TenantId, email: &str, role: Role) -> Member {
        let added = self
            .store
            .add_member(tenant, &new(email, role), Role::Owner, &ann(), now())
            .await;
        done(added.unwrap())
    }
}

async fn a_member_is_what_the_tenant_says_of_them(fresh: Fresh) {
    let ben = NewMember {
        name: Some(PersonalText::new("Ben")),
        notify: Notify::To(Channel::Sms, recipient(NUMBER)),
        language: Some(Language::French),
        ..new("Ben@Example.com", Role::Sales)
    };
    let added = done(
        fresh
            .store
            .add_member(fresh.tenant, &ben, Role::Admin, &ann(), now())
            .await
            .unwrap(),
    );
    assert_eq!(
        fresh.store.member(fresh.tenant, added.user).await.unwrap(),
        Some(added.clone())
    );
    let change = MemberChange {
        role: Some(Role::Admin),
        name: Some(None),
        notify: Some(Notify::None),
        language: None,
    };
    let changed = fresh
        .store
        .change_member(fresh.tenant, added.user, &change, Role::Admin, &ann(), second(1))
        .await
        .unwrap();
    let expected = Member {
        role: Role::Admin,
        name: None,
        notify: Notify::None,
        ..added
    };
    assert_eq!(done(changed), expected);
    assert_eq!(
        fresh.store.members(fresh.tenant, None, 10).await.unwrap().items,
        [expected]
    );
}

async fn a_person_works_for_several_tenants_that_do_not_see_each_other(fresh: Fresh) {
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let here = fresh.join(fresh.tenant, "ben@example.com", Role::Owner).await;
    let there = fresh.join(other, "BEN@example.com", Role::Member).await;
    assert_eq!(here.user, there.user, "one person");
    let eve = fresh.join(other, "eve@example.com", Role::Owner).await;
    assert_eq!(fresh.store.member(fresh.tenant, eve.user).await.unwrap(), None);
    let refused = fresh
        .store
        .change_member(
            fresh.tenant,
            eve.user,
            &MemberChange::default(),
            Role::Owner,
            &ann(),
            now(),
        )
        .await;
    assert_eq!(refused.unwrap(), MemberChanged::Missing);
    let again = fresh
        .store
        .add_member(other, &new("ben@example.com", Role::Sales), Role::Owner, &ann(), now())
        .await;
    assert!(matches!(again.unwrap_err(), StoreError::Conflict(_)));
}

async fn a_person_is_kept_as_long_as_they_work_for_somebody(fresh: Fresh) {
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let ben = fresh.join(fresh.tenant, "ben@example.com", Role::Member).await;
    fresh.join(other, "ben@example.com", Role::Member).await;
    let users = async || fresh.count("SELECT COUNT(*) FROM users").await;
    for (tenant, left) in [(fresh.tenant, 1), (other, 0)] {
        let removed = fresh
            .store
            .remove_member(tenant, ben.user, Role::Admin, &ann(), second(1))
            .await;
        done(removed.unwrap());
        assert_eq!(users().await, left);
    }
    fresh.join(other, "ben@example.com", Role::Member).await;
    assert!(fresh.store.delete_tenant(other, &ann(), second(2)).await.unwrap());
    assert_eq!(users().await, 0, "who worked for the tenant only goes with it");
}

async fn the_last_owner_stays_one_however_many_leave_at_once(fresh: Fresh) {
    let first = fresh.join(fresh.tenant, "a@example.com", Role::Owner).await;
    let second_one = fresh.join(fresh.tenant, "b@example.com", Role::Owner).await;
    let (author, to_member) = (
        ann(),
        MemberChange {
            role: Some(Role::Member),
            ..MemberChange::default()
        },
    );
    let (left, right) = tokio::join!(
        fresh
            .store
            .remove_member(fresh.tenant, first.user, Role::Owner, &author, second(1)),
        fresh.store.change_member(
            fresh.tenant,
            second_one.user,
            &to_member,
            Role::Owner,
            &author,
            second(1)
        ),
    );
    let refused = [left.unwrap(), right.unwrap()]
        .iter()
        .filter(|changed| **changed == MemberChanged::Refused(MemberRefusal::LastOwner))
        .count();
    assert_eq!(refused, 1);
    assert_eq!(
        fresh
            .count("SELECT COUNT(*) FROM memberships WHERE role = 'owner'")
            .await,
        1
    );
}

async fn whatever_changes_about_members_is_written_down_once_and_stays(fresh: Fresh) {
    let ben = fresh.join(fresh.tenant, "ben@example.com", Role::Member).await;
    let change = MemberChange {
        role: Some(Role::Sales),
        notify: Some(Notify::To(Channel::Sms, recipient(NUMBER))),
        ..MemberChange::default()
    };
    fresh
        .store
        .change_member(fresh.tenant, ben.user, &change, Role::Admin, &ann(), second(1))
        .await
        .unwrap();
    // Not allowed, so nothing is changed and nothing written down.
    fresh
        .store
        .remove_member(fresh.tenant, ben.user, Role::Sales, &ann(), second(2))
        .await
        .unwrap();
    fresh
        .store
        .remove_member(fresh.tenant, ben.user, Role::Admin, &ann(), second(3))
        .await
        .unwrap();
    let read = async |filter: &AuditFilter| {
        fresh
            .store
            .audit_log(Some(fresh.tenant), filter, None, 10)
            .await
            .unwrap()
            .items
    };
    let entries = read(&AuditFilter::default()).await;
    let actions: Vec<_> = entries.iter().map(|entry| (entry.action, entry.at)).collect();
    assert_eq!(
        actions,
        [
            (AuditAction::MemberRemoved, second(3)),
            (AuditAction::MemberChanged, second(1)),
            (AuditAction::MemberAdded, now())
        ]
    );
    let changed = &entries[1];
    assert_eq!(
        (&changed.author, changed.target.clone()),
        (&ann(), Some(ben.user.to_string()))
    );
    assert_eq!(changed.before.as_ref().unwrap()["role"], "member");
    assert_eq!(changed.after.as_ref().unwrap()["role"], "sales");
    assert!(!format!("{entries:?}").contains(NUMBER), "addresses are masked");
    let only = AuditFilter {
        action: Some(AuditAction::MemberAdded),
        ..AuditFilter::default()
    };
    assert_eq!(read(&only).await.len(), 1);
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(
        fresh
            .store
            .audit_log(Some(other), &AuditFilter::default(), None, 10)
            .await
            .unwrap()
            .items,
        []
    );

    for statement in [
        "UPDATE audit_log SET actor = 'system'",
        "DELETE FROM audit_log",
        "DELETE FROM audit_log WHERE action = 'member_added'",
    ] {
        assert!(fresh.execute(statement).await.is_err(), "{statement}");
    }
    assert!(
        fresh
            .store
            .delete_tenant(fresh.tenant, &ann(), second(4))
            .await
            .unwrap()
    );
    assert_eq!(
        fresh.count("SELECT COUNT(*) FROM audit_log").await,
        1,
        "that the tenant was removed"
    );
    assert!(fresh.execute("DELETE FROM audit_log").await.is_err());
}

both!(
    a_member_is_what_the_tenant_says_of_them,
    a_person_works_for_several_tenants_that_do_not_see_each_other,
    a_person_is_kept_as_long_as_they_work_for_somebody,
    the_last_owner_stays_one_however_many_leave_at_once,
    whatever_changes_about_members_is_written_down_once_and_stays,
);

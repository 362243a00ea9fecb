//! Lists of people, ways in, keys and what they did, page by page.

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use domain::{Author, Role};
use store::{AuditFilter, Cursor, Page};
use uuid::Uuid;

use crate::fresh::{Fresh, now, second};
use crate::members::new;
use crate::sign_in_links::address;

/// A list comes newest first, and its pages join without gap.
async fn check<T: Debug + PartialEq>(
    expected: usize,
    read: impl AsyncFn(Option<Cursor>, u32) -> Page<T>,
    place: impl Fn(&T) -> (DateTime<Utc>, Uuid),
) {
    let all = read(None, 100).await;
    assert_eq!((all.items.len(), all.next), (expected, None), "{:?}", all.items);
    assert!(all.items.is_sorted_by(|a, b| place(a) > place(b)), "{:?}", all.items);
    let (mut joined, mut after) = (Vec::new(), None);
    loop {
        let page = read(after, 2).await;
        joined.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(joined, all.items);
}

async fn people_keys_and_what_was_done_come_newest_first_and_pages_join_without_gap(fresh: Fresh) {
    let (store, tenant, author) = (&fresh.store, fresh.tenant, Author::system());
    let other = store.create_tenant("Other", now()).await.unwrap().id;
    for number in 0..5 {
        // Two at a time have the same time of creation.
        let at = second(number / 2);
        let email = format!("n{number}@example.com");
        for tenant in [tenant, other] {
            let member = new(&email, Role::Member);
            store
                .add_member(tenant, &member, Role::Owner, &author, at)
                .await
                .unwrap();
            store
                .invite(tenant, &address(&email), Role::Member, &author, at)
                .await
                .unwrap();
            store.create_api_key(tenant, Role::Member, &author, at).await.unwrap();
        }
    }
    check(
        5,
        async |after, limit| store.members(tenant, after, limit).await.unwrap(),
        |member| (member.created_at, member.user.0),
    )
    .await;
    check(
        5,
        async |after, limit| store.invitations(tenant, after, limit).await.unwrap(),
        |invitation| (invitation.created_at, invitation.id.0),
    )
    .await;
    check(
        5,
        async |after, limit| store.api_keys(tenant, after, limit).await.unwrap(),
        |key| (key.created_at, key.id.0),
    )
    .await;
    let written = async |filter: &AuditFilter, after, limit| {
        let page = store.audit_log(Some(tenant), filter, after, limit).await;
        page.unwrap()
    };
    for (filter, expected) in [
        (AuditFilter::default(), 15),
        (
            AuditFilter {
                since: Some(second(1)),
                until: Some(second(2)),
                ..AuditFilter::default()
            },
            6,
        ),
    ] {
        check(
            expected,
            async |after, limit| written(&filter, after, limit).await,
            |entry| (entry.at, entry.id.0),
        )
        .await;
    }
}

both!(people_keys_and_what_was_done_come_newest_first_and_pages_join_without_gap);

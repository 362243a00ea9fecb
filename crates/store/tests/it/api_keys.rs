//! API keys.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{AuditAction, Author, Role};
use secrecy::ExposeSecret as _;
use store::{ApiKeyRequest, AuditFilter, NewApiKey};

use crate::fresh::{Fresh, now, second};

async fn a_key_opens_its_tenant_until_it_is_revoked(fresh: Fresh) {
    let created = fresh
        .store
        .create_api_key(fresh.tenant, Role::Sales, &Author::system(), now())
        .await
        .unwrap();
    let found = fresh.store.find_api_key(&created.clear, now()).await.unwrap().unwrap();
    assert_eq!(found, created.key);
    assert_eq!((found.tenant, found.role), (fresh.tenant, Role::Sales));

    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert!(
        !fresh
            .store
            .revoke_api_key(other, found.id, &Author::system(), second(1))
            .await
            .unwrap(),
        "not another tenant's to revoke"
    );
    assert!(
        fresh
            .store
            .revoke_api_key(fresh.tenant, found.id, &Author::system(), second(1))
            .await
            .unwrap()
    );
    assert!(
        !fresh
            .store
            .revoke_api_key(fresh.tenant, found.id, &Author::system(), second(2))
            .await
            .unwrap()
    );
    assert_eq!(fresh.store.find_api_key(&created.clear, now()).await.unwrap(), None);
    let keys = async |tenant| fresh.store.api_keys(tenant, None, 10).await.unwrap().items;
    assert_eq!(keys(fresh.tenant).await[0].revoked_at, Some(second(1)));
    assert_eq!(keys(other).await, []);
}

async fn a_key_is_long_and_recognisable_and_shows_nowhere(fresh: Fresh) {
    let created = fresh
        .store
        .create_api_key(fresh.tenant, Role::Owner, &Author::system(), now())
        .await
        .unwrap();
    let clear = created.clear.expose_secret();
    assert!(clear.starts_with("rk_") && clear.len() == 67, "{}", clear.len());
    assert!(!format!("{created:?}").contains(&clear[3..]));
    let second = fresh
        .store
        .create_api_key(fresh.tenant, Role::Owner, &Author::system(), now())
        .await
        .unwrap();
    assert_ne!(clear, second.clear.expose_secret());
    assert_eq!(fresh.store.find_api_key(&"rk_wrong".into(), now()).await.unwrap(), None);
}

/// Whether a key opens anything at a time.
async fn opens(fresh: &Fresh, key: &NewApiKey, at: DateTime<Utc>) -> bool {
    fresh.store.find_api_key(&key.clear, at).await.unwrap().is_some()
}

async fn a_rotated_key_is_good_beside_the_new_one_until_the_overlap_ends(fresh: Fresh) {
    let (store, author, hour) = (&fresh.store, Author::system(), TimeDelta::hours(1));
    let request = ApiKeyRequest {
        role: Role::Sales,
        name: Some("till".into()),
        expires_at: Some(second(86_400)),
    };
    let old = store
        .create_api_key(fresh.tenant, request, &author, now())
        .await
        .unwrap();
    let at = second(600);
    let rotate = async |tenant, id| store.rotate_api_key(tenant, id, hour, &author, at).await.unwrap();
    let other = store.create_tenant("Other", now()).await.unwrap().id;
    assert!(
        rotate(other, old.key.id).await.is_none(),
        "not another tenant's to rotate"
    );
    // Two at once make one: the second would be a key that nobody uses.
    let (left, right) = tokio::join!(rotate(fresh.tenant, old.key.id), rotate(fresh.tenant, old.key.id));
    let mut made: Vec<_> = [left, right].into_iter().flatten().collect();
    assert_eq!(made.len(), 1);
    let new = made.remove(0);
    let ahead = at + TimeDelta::days(1);
    assert_eq!(
        (
            new.key.role,
            new.key.name.as_deref(),
            new.key.replaces,
            new.key.expires_at
        ),
        (Role::Sales, Some("till"), Some(old.key.id), Some(ahead)),
        "what the one before was, and good for as long"
    );
    let moment = TimeDelta::milliseconds(1);
    assert!(opens(&fresh, &old, at + hour - moment).await && opens(&fresh, &new, at).await);
    assert!(!opens(&fresh, &old, at + hour).await, "the overlap has ended");
    assert!(opens(&fresh, &new, ahead - moment).await && !opens(&fresh, &new, ahead).await);
    assert!(
        rotate(fresh.tenant, old.key.id).await.is_none(),
        "the one in its place is the one to rotate"
    );
    let entries = store
        .audit_log(Some(fresh.tenant), &AuditFilter::default(), None, 10)
        .await
        .unwrap()
        .items;
    let rotated = &entries[0];
    assert_eq!(
        (rotated.action, rotated.target.clone()),
        (AuditAction::KeyRotated, Some(new.key.id.to_string()))
    );
    assert_eq!(rotated.before.as_ref().unwrap()["id"], old.key.id.to_string());
}

async fn a_key_that_has_ended_is_not_rotated(fresh: Fresh) {
    let (store, author) = (&fresh.store, Author::system());
    let make = async |expires_at| {
        let request = ApiKeyRequest {
            expires_at,
            ..Role::Member.into()
        };
        let made = store.create_api_key(fresh.tenant, request, &author, now()).await;
        made.unwrap().key.id
    };
    let (expired, revoked) = (make(Some(second(1))).await, make(None).await);
    store
        .revoke_api_key(fresh.tenant, revoked, &author, second(1))
        .await
        .unwrap();
    for id in [expired, revoked] {
        let rotated = store.rotate_api_key(fresh.tenant, id, TimeDelta::hours(1), &author, second(1));
        assert!(rotated.await.unwrap().is_none());
    }
}

async fn a_use_is_noted_once_a_minute(fresh: Fresh) {
    let created = fresh
        .store
        .create_api_key(fresh.tenant, Role::Owner, &Author::system(), now())
        .await
        .unwrap();
    let check = async |offset, expected| {
        let key = fresh.store.find_api_key(&created.clear, now()).await.unwrap().unwrap();
        fresh.store.touch_api_key(&key, second(offset)).await.unwrap();
        let key = fresh.store.find_api_key(&created.clear, now()).await.unwrap().unwrap();
        assert_eq!(key.last_used_at, Some(second(expected)));
    };
    check(0, 0).await;
    check(59, 0).await;
    check(61, 61).await;
    // A server that has an old copy of the key does not turn the time back.
    fresh.store.touch_api_key(&created.key, second(62)).await.unwrap();
    check(63, 61).await;
}

both!(
    a_key_opens_its_tenant_until_it_is_revoked,
    a_key_is_long_and_recognisable_and_shows_nowhere,
    a_rotated_key_is_good_beside_the_new_one_until_the_overlap_ends,
    a_key_that_has_ended_is_not_rotated,
    a_use_is_noted_once_a_minute,
);

//! API keys.

use domain::{Author, Role};
use secrecy::ExposeSecret as _;

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
    assert_eq!(
        fresh.store.api_keys(fresh.tenant).await.unwrap()[0].revoked_at,
        Some(second(1))
    );
    assert_eq!(fresh.store.api_keys(other).await.unwrap(), []);
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
    a_use_is_noted_once_a_minute,
);

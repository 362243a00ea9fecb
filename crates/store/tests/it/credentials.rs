//! Credentials, and the routes that messages take by them.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{AuditAction, Author, Channel, CredentialId, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use store::{AuditFilter, NewCredential, StoreError};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fresh::{Fresh, now, second};

pub(crate) async fn store_one(fresh: &Fresh, label: &str) -> CredentialId {
    store_for(fresh, fresh.tenant, label).await
}

async fn store_for(fresh: &Fresh, tenant: TenantId, label: &str) -> CredentialId {
    let clear = SecretString::from(r#"{"auth_token":"t0ken"}"#);
    let stored = fresh
        .store
        .create_credential(
            tenant,
            &NewCredential {
                provider: "twilio",
                label,
                clear: &clear,
                preview: "AC12…9f",
            },
            &Author::system(),
            now(),
        )
        .await;
    stored.unwrap().id
}

/// What is read in the clear: the present ones and those before.
async fn clear(fresh: &Fresh, id: CredentialId) -> (String, Option<String>) {
    let open = fresh
        .store
        .open_credential(fresh.tenant, id, second(6))
        .await
        .unwrap()
        .unwrap();
    let text = |secret: SecretString| secret.expose_secret().to_owned();
    (text(open.clear), open.previous.map(text))
}

async fn credentials_show_as_preview_and_open_only_when_asked(fresh: Fresh) {
    let id = store_one(&fresh, "main").await;
    let shown = fresh.store.credentials(fresh.tenant).await.unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(
        (shown[0].id, shown[0].provider.as_str(), shown[0].label.as_str()),
        (id, "twilio", "main")
    );
    assert_eq!((shown[0].preview.as_str(), shown[0].created_at), ("AC12…9f", now()));
    assert_eq!(clear(&fresh, id).await, (r#"{"auth_token":"t0ken"}"#.into(), None));
    let open = fresh.store.open_credential(fresh.tenant, id, second(6)).await.unwrap();
    assert!(!format!("{open:?}").contains("t0ken"), "{open:?}");
}

async fn credentials_before_the_present_ones_are_kept_until_they_are_retired(fresh: Fresh) {
    let id = store_one(&fresh, "main").await;
    let rotated = fresh
        .store
        .rotate_credential(fresh.tenant, id, &"{2}".into(), "AC34…9f", &Author::system(), second(5))
        .await;
    assert!(rotated.unwrap());
    assert_eq!(
        clear(&fresh, id).await,
        ("{2}".into(), Some(r#"{"auth_token":"t0ken"}"#.into()))
    );
    let shown = fresh.store.credentials(fresh.tenant).await.unwrap().remove(0);
    assert_eq!(
        (shown.preview.as_str(), shown.rotated_at, shown.has_previous),
        ("AC34…9f", Some(second(5)), true)
    );
    assert!(
        fresh
            .store
            .retire_previous_credential(fresh.tenant, id, &Author::system(), second(6))
            .await
            .unwrap()
    );
    assert!(
        !fresh
            .store
            .retire_previous_credential(fresh.tenant, id, &Author::system(), second(6))
            .await
            .unwrap()
    );
    assert_eq!(clear(&fresh, id).await, ("{2}".into(), None));
    assert!(
        fresh
            .store
            .delete_credential(fresh.tenant, id, &Author::system(), second(6))
            .await
            .unwrap()
    );
    assert!(
        fresh
            .store
            .open_credential(fresh.tenant, id, second(6))
            .await
            .unwrap()
            .is_none()
    );
}

async fn whatever_is_done_with_credentials_is_written_down_without_them(fresh: Fresh) {
    let (store, author) = (&fresh.store, Author::system());
    let id = store_one(&fresh, "main").await;
    let hour = TimeDelta::hours(1);
    for at in [second(1), second(2), second(2) + hour] {
        store.open_credential(fresh.tenant, id, at).await.unwrap().unwrap();
    }
    let later = second(5) + hour;
    store
        .rotate_credential(fresh.tenant, id, &"s3cret".into(), "AC34…9f", &author, later)
        .await
        .unwrap();
    store
        .retire_previous_credential(fresh.tenant, id, &author, later + hour)
        .await
        .unwrap();
    let deleted_at = later + hour + hour;
    for expected in [true, false] {
        let deleted = store.delete_credential(fresh.tenant, id, &author, deleted_at).await;
        assert_eq!(deleted.unwrap(), expected);
    }
    let entries = store
        .audit_log(Some(fresh.tenant), &AuditFilter::default(), None, 10)
        .await
        .unwrap()
        .items;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry.action, entry.before.clone(), entry.after.clone()))
        .collect();
    let (old, new) = (json!({ "preview": "AC12…9f" }), json!({ "preview": "AC34…9f" }));
    let made = json!({ "provider": "twilio", "label": "main", "preview": "AC12…9f" });
    assert_eq!(
        told,
        [
            (AuditAction::CredentialDeleted, Some(new.clone()), None),
            (AuditAction::CredentialRetired, None, None),
            (AuditAction::CredentialRotated, Some(old), Some(new)),
            // Three times read, in two hours.
            (AuditAction::CredentialOpened, None, None),
            (AuditAction::CredentialOpened, None, None),
            (AuditAction::CredentialCreated, None, Some(made)),
        ]
    );
    assert!(entries.iter().all(|entry| entry.target == Some(id.to_string())));
    let all = format!("{entries:?}");
    assert!(!all.contains("t0ken") && !all.contains("s3cret"), "{all}");
}

async fn a_label_is_given_once_per_tenant(fresh: Fresh) {
    store_one(&fresh, "main").await;
    let again = fresh
        .store
        .create_credential(
            fresh.tenant,
            &NewCredential {
                provider: "smtp",
                label: "main",
                clear: &"{}".into(),
                preview: "",
            },
            &Author::system(),
            now(),
        )
        .await;
    assert!(matches!(&again, Err(StoreError::Conflict(_))), "{again:?}");
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    store_for(&fresh, other, "main").await;
}

async fn a_route_is_what_it_was_last_set_to_in_its_order(fresh: Fresh) {
    let (a, b, c) = (
        store_one(&fresh, "a").await,
        store_one(&fresh, "b").await,
        store_one(&fresh, "c").await,
    );
    let route = async |channel| {
        let route = fresh.store.route(fresh.tenant, channel).await.unwrap();
        route.into_iter().map(|credential| credential.id).collect::<Vec<_>>()
    };
    let set = async |credentials: &[CredentialId]| fresh.store.set_route(fresh.tenant, Channel::Sms, credentials).await;
    assert_eq!(route(Channel::Sms).await, []);
    set(&[c, a, b]).await.unwrap();
    assert_eq!(route(Channel::Sms).await, [c, a, b]);
    assert_eq!(route(Channel::Whatsapp).await, []);
    set(&[b, c]).await.unwrap();
    assert_eq!(route(Channel::Sms).await, [b, c]);
    let twice = set(&[a, a]).await;
    assert!(matches!(&twice, Err(StoreError::Conflict(_))), "{twice:?}");
    assert_eq!(route(Channel::Sms).await, [b, c], "a refused route changes nothing");
    fresh
        .store
        .delete_credential(fresh.tenant, b, &Author::system(), second(6))
        .await
        .unwrap();
    assert_eq!(route(Channel::Sms).await, [c]);
    set(&[]).await.unwrap();
    assert_eq!(route(Channel::Sms).await, []);
}

async fn routes_set_at_once_are_one_of_them(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    let (a, b) = (store_one(&fresh, "a").await, store_one(&fresh, "b").await);
    let mut tasks = JoinSet::new();
    for n in 0..20 {
        let fresh = Arc::clone(&fresh);
        let credentials = if n % 2 == 0 { vec![a, b] } else { vec![b] };
        tasks.spawn(async move {
            fresh
                .store
                .set_route(fresh.tenant, Channel::Sms, &credentials)
                .await
                .unwrap();
        });
    }
    tasks.join_all().await;
    let route = fresh.store.route(fresh.tenant, Channel::Sms).await.unwrap();
    let route: Vec<_> = route.into_iter().map(|credential| credential.id).collect();
    assert!(route == [a, b] || route == [b], "{route:?}");
}

async fn another_tenants_credentials_do_not_exist(fresh: Fresh) {
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let theirs = store_for(&fresh, other, "theirs").await;
    let store = &fresh.store;
    assert!(
        store
            .open_credential(fresh.tenant, theirs, second(6))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        !store
            .rotate_credential(fresh.tenant, theirs, &"x".into(), "", &Author::system(), now())
            .await
            .unwrap()
    );
    assert!(
        !store
            .delete_credential(fresh.tenant, theirs, &Author::system(), second(6))
            .await
            .unwrap()
    );
    assert!(
        !store
            .retire_previous_credential(fresh.tenant, theirs, &Author::system(), second(6))
            .await
            .unwrap()
    );
    assert_eq!(store.credentials(fresh.tenant).await.unwrap(), []);
    for nobodys in [theirs, CredentialId(Uuid::from_u128(404))] {
        let refused = store.set_route(fresh.tenant, Channel::Sms, &[nobodys]).await;
        assert!(matches!(&refused, Err(StoreError::Missing)), "{refused:?}");
    }
}

both!(
    credentials_show_as_preview_and_open_only_when_asked,
    credentials_before_the_present_ones_are_kept_until_they_are_retired,
    whatever_is_done_with_credentials_is_written_down_without_them,
    a_label_is_given_once_per_tenant,
    a_route_is_what_it_was_last_set_to_in_its_order,
    routes_set_at_once_are_one_of_them,
    another_tenants_credentials_do_not_exist,
);

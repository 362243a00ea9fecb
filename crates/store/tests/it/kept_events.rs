//! Events that nothing is made of yet.

use domain::{EndpointId, EventId, PersonalText, TenantId};
use store::{KeptEvent, StoreError};
use uuid::Uuid;

use crate::fresh::{Fresh, now, second};

fn event() -> KeptEvent {
    KeptEvent {
        provider: "vapi".into(),
        word: "end-of-call-report".into(),
        occurred_at: second(5),
        content: PersonalText::new(r#"{"transcript":"Hello Ana"}"#),
    }
}

/// Keeps the event as one that `endpoint` received.
async fn keep(fresh: &Fresh, endpoint: EndpointId) -> bool {
    let kept = fresh
        .store
        .keep_event(fresh.tenant, endpoint, "identity", &event(), now())
        .await;
    kept.unwrap()
}

async fn an_event_is_kept_once_and_read_as_it_was_told(fresh: Fresh) {
    assert!(keep(&fresh, fresh.endpoint).await);
    assert!(!keep(&fresh, fresh.endpoint).await, "the same event again");
    let id = EventId::derive(fresh.endpoint, "identity");
    let kept = fresh.store.kept_event(fresh.tenant, id).await.unwrap();
    assert_eq!(kept, Some(event()));
}

async fn the_same_identity_at_another_endpoint_is_another_event(fresh: Fresh) {
    assert!(keep(&fresh, fresh.endpoint).await);
    assert!(keep(&fresh, EndpointId(Uuid::from_u128(7))).await);
}

async fn another_tenants_event_is_not_there(fresh: Fresh) {
    assert!(keep(&fresh, fresh.endpoint).await);
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let id = EventId::derive(fresh.endpoint, "identity");
    assert_eq!(fresh.store.kept_event(other, id).await.unwrap(), None);
    let nobody = TenantId(Uuid::from_u128(404));
    let refused = fresh
        .store
        .keep_event(nobody, fresh.endpoint, "another", &event(), now())
        .await;
    assert!(matches!(refused, Err(StoreError::Missing)), "{refused:?}");
}

both!(
    an_event_is_kept_once_and_read_as_it_was_told,
    the_same_identity_at_another_endpoint_is_another_event,
    another_tenants_event_is_not_there,
);

//! Tenants, and what goes with them when they go.

use domain::{EmailEvent, Role, TenantId};
use store::{Db, StoreError};
use uuid::Uuid;

use crate::fresh::{Fresh, event, now, of_person};

async fn a_tenant_is_found_by_id_and_by_name(fresh: Fresh) {
    let tenant = fresh.store.create_tenant("Café Zoë", now()).await.unwrap();
    assert_eq!(fresh.store.tenant(tenant.id).await.unwrap(), Some(tenant.clone()));
    assert_eq!(
        fresh.store.tenant_by_name("Café Zoë").await.unwrap(),
        Some(tenant.clone())
    );
    assert_eq!(fresh.store.tenant_by_name("Nobody").await.unwrap(), None);
    let names: Vec<_> = fresh
        .store
        .tenants()
        .await
        .unwrap()
        .into_iter()
        .map(|tenant| tenant.name)
        .collect();
    assert_eq!(names, ["Café Zoë", "Demo"]);
}

async fn a_name_is_given_once(fresh: Fresh) {
    let refused = fresh.store.create_tenant("Demo", now()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(_)), "{refused:?}");
    let refused = fresh.store.create_tenant("", now()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Constraint(_)), "{refused:?}");
}

async fn deleting_a_tenant_deletes_all_it_has_and_nothing_else(fresh: Fresh) {
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    fresh.store.create_api_key(other, Role::Owner, now()).await.unwrap();
    let endpoint = fresh
        .store
        .create_endpoint(other, "email", "s".into(), now())
        .await
        .unwrap()
        .id;
    let opened = of_person(event("m", EmailEvent::Opened, "1"), "p");
    fresh
        .store
        .record_email_event(other, endpoint, &opened, now())
        .await
        .unwrap();
    fresh.apply(&opened).await;
    fresh
        .store
        .create_api_key(fresh.tenant, Role::Owner, now())
        .await
        .unwrap();

    assert!(fresh.store.delete_tenant(other).await.unwrap());
    assert!(!fresh.store.delete_tenant(other).await.unwrap());
    for table in [
        "SELECT COUNT(*) FROM tenants",
        "SELECT COUNT(*) FROM api_keys",
        "SELECT COUNT(*) FROM endpoints",
        "SELECT COUNT(*) FROM contacts",
        "SELECT COUNT(*) FROM messages",
        "SELECT COUNT(*) FROM message_events",
        "SELECT COUNT(*) FROM interactions",
        "SELECT COUNT(*) FROM lead_scores",
        "SELECT COUNT(*) FROM lead_ledger",
    ] {
        assert_eq!(fresh.count(table).await, 1, "{table}");
    }
}

async fn what_belongs_to_no_tenant_is_refused_as_missing(fresh: Fresh) {
    let nobody = TenantId(Uuid::from_u128(404));
    let check = |refused: StoreError| assert!(matches!(refused, StoreError::Missing), "{refused:?}");
    check(
        fresh
            .store
            .create_api_key(nobody, Role::Owner, now())
            .await
            .unwrap_err(),
    );
    check(
        fresh
            .store
            .create_endpoint(nobody, "email", "s".into(), now())
            .await
            .unwrap_err(),
    );
    let opened = event("m", EmailEvent::Opened, "1");
    check(
        fresh
            .store
            .record_email_event(nobody, fresh.endpoint, &opened, now())
            .await
            .unwrap_err(),
    );
}

async fn a_row_cannot_refer_to_another_tenants(fresh: Fresh) {
    fresh.apply(&event("m", EmailEvent::Opened, "1")).await;
    fresh.store.create_tenant("Other", now()).await.unwrap();
    // Every contact is the first tenant's.
    let statement = "INSERT INTO messages (tenant_id, id, channel, provider, external_id, contact_id, created_at)
         SELECT other.id, contact.id, 'email', 'sendgrid', 'm', contact.id, 0
         FROM tenants other, contacts contact WHERE other.name = 'Other'";
    let refused = match fresh.store.db() {
        Db::Postgres(pool) => sqlx::query(statement).execute(pool).await.map(|_| ()),
        Db::Sqlite { writer, .. } => sqlx::query(statement).execute(writer).await.map(|_| ()),
    };
    let refused = StoreError::from(refused.unwrap_err());
    assert!(matches!(refused, StoreError::Missing), "{refused:?}");
}

both!(
    a_row_cannot_refer_to_another_tenants,
    a_tenant_is_found_by_id_and_by_name,
    a_name_is_given_once,
    deleting_a_tenant_deletes_all_it_has_and_nothing_else,
    what_belongs_to_no_tenant_is_refused_as_missing,
);

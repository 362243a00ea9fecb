//! Tenants, and what goes with them when they go.

use domain::{Author, ChallengeId, Channel, EmailEvent, EndpointId, EventKind, Language, ReportRecord, Role, TenantId};
use store::{Db, NewChallenge, Passage, Settings, Store, StoreError, TemplateTexts};
use uuid::Uuid;

use crate::fresh::{Fresh, event, now, of_person};
use crate::scene::{NUMBER, by, inbound, outgoing_of, recipient, report, sent};

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

/// Every table that belongs to tenants.
const TABLES: [&str; 20] = [
    "SELECT COUNT(*) FROM tenants",
    "SELECT COUNT(*) FROM api_keys",
    "SELECT COUNT(*) FROM endpoints",
    "SELECT COUNT(*) FROM contacts",
    "SELECT COUNT(*) FROM messages",
    "SELECT COUNT(*) FROM message_events",
    "SELECT COUNT(*) FROM message_attempts",
    "SELECT COUNT(*) FROM delivery_daily",
    "SELECT COUNT(*) FROM interactions",
    "SELECT COUNT(*) FROM lead_scores",
    "SELECT COUNT(*) FROM lead_ledger",
    "SELECT COUNT(*) FROM suppressions",
    "SELECT COUNT(*) FROM templates",
    "SELECT COUNT(*) FROM credentials",
    "SELECT COUNT(*) FROM routes",
    "SELECT COUNT(*) FROM circuits",
    "SELECT COUNT(*) FROM inbound_messages",
    "SELECT COUNT(*) FROM otp_challenges",
    "SELECT COUNT(*) FROM tenant_settings",
    "SELECT COUNT(*) FROM message_events WHERE message_id IS NULL",
];

/// Gives a tenant at least one row of everything.
async fn fill(store: &Store, tenant: TenantId, endpoint: EndpointId) {
    store.create_api_key(tenant, Role::Owner, now()).await.unwrap();
    let opened = of_person(event("m", EmailEvent::Opened, "1"), "p");
    store
        .record_email_event(tenant, endpoint, &opened, now())
        .await
        .unwrap();
    let credential = store
        .create_credential(tenant, "twilio", "main", &"{}".into(), "…", now())
        .await
        .unwrap();
    store.set_route(tenant, Channel::Sms, &[credential.id]).await.unwrap();
    let Passage::Granted(pass) = store.circuit_passage(tenant, credential.id, now()).await.unwrap() else {
        panic!("a new circuit is closed")
    };
    store.circuit_failed(tenant, credential.id, pass, now()).await.unwrap();
    let message = outgoing_of(tenant, "r", NUMBER);
    store.begin_message(tenant, &message, now()).await.unwrap();
    store
        .begin_attempt(tenant, message.id, &by("twilio"), now())
        .await
        .unwrap();
    store
        .end_attempt(tenant, message.id, 1, &sent("SM1"), now())
        .await
        .unwrap();
    let nameless = ReportRecord {
        external_id: None,
        recipient: Some(recipient(NUMBER)),
        ..report("", EventKind::Unsubscribed, "2")
    };
    store.record_report(tenant, endpoint, &nameless, now()).await.unwrap();
    let reply = inbound(NUMBER, "STOP", "3");
    store.record_inbound(tenant, endpoint, &reply, now()).await.unwrap();
    let texts = TemplateTexts {
        text: Some("Bonjour".into()),
        ..TemplateTexts::default()
    };
    store
        .create_template(tenant, "w", Language::French, &texts, now())
        .await
        .unwrap();
    store.set_settings(tenant, &Settings::default(), now()).await.unwrap();
    let id = ChallengeId::of_request(tenant, "r");
    let challenge = NewChallenge {
        id,
        recipient: recipient(NUMBER),
        channel: Channel::Sms,
        language: Language::French,
        code_key_id: "k".into(),
        caller: id.0,
    };
    store.begin_challenge(tenant, &challenge, now()).await.unwrap();
}

async fn deleting_a_tenant_deletes_all_it_has_and_nothing_else(fresh: Fresh) {
    fill(&fresh.store, fresh.tenant, fresh.endpoint).await;
    let mut before = Vec::new();
    for table in TABLES {
        before.push((table, fresh.count(table).await));
    }
    assert!(before.iter().all(|(_, count)| *count > 0), "{before:?}");

    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let endpoint = fresh
        .store
        .create_endpoint(other, "email", "s".into(), now())
        .await
        .unwrap()
        .id;
    fill(&fresh.store, other, endpoint).await;
    for (table, count) in &before {
        assert!(fresh.count(table).await > *count, "{table}");
    }
    assert!(
        fresh
            .store
            .delete_tenant(other, &Author::system(), now())
            .await
            .unwrap()
    );
    assert!(
        !fresh
            .store
            .delete_tenant(other, &Author::system(), now())
            .await
            .unwrap()
    );
    for (table, count) in before {
        assert_eq!(fresh.count(table).await, count, "{table}");
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

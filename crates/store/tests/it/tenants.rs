//! Tenants, and what goes with them when they go.

use domain::{
    Actor, Author, ChallengeId, Channel, EmailEvent, EmailEventRecord, EndpointId, EventKind, Language, PersonalText,
    ReportRecord, Role, TenantId,
};
use sqlx::AssertSqlSafe;
use store::{
    Db, DeadLetterEdit, InteractionDraft, KeptEvent, NewChallenge, NewCredential, Passage, ScoreSettings, Settings,
    StoreError, TemplateTexts, WithWhom,
};
use uuid::Uuid;

use crate::fresh::{Fresh, event, now, of_person, second};
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

/// Every table with rows of tenants, as the database itself knows them: a new one is in here from its first day.
async fn tables(fresh: &Fresh) -> Vec<String> {
    let mut tables: Vec<String> = match fresh.store.db() {
        Db::Postgres(pool) => sqlx::query_scalar(
            "SELECT table_name::text FROM information_schema.columns
             WHERE table_schema = 'public' AND column_name = 'tenant_id'",
        )
        .fetch_all(pool)
        .await
        .unwrap(),
        Db::Sqlite { writer, .. } => sqlx::query_scalar(
            "SELECT tables.name FROM sqlite_master tables, pragma_table_info(tables.name) columns
             WHERE tables.type = 'table' AND columns.name = 'tenant_id'",
        )
        .fetch_all(writer)
        .await
        .unwrap(),
    };
    tables.sort();
    assert!(tables.len() > 20, "{tables:?}");
    tables
}

/// How many rows of each table are a tenant's, and how many there are.
async fn rows(fresh: &Fresh, tables: &[String], tenant: TenantId) -> Vec<(String, i64, i64)> {
    let mut counted = Vec::new();
    for table in tables {
        let text = format!("SELECT COUNT(CASE WHEN tenant_id = $1 THEN 1 END), COUNT(*) FROM {table}");
        let statement = AssertSqlSafe(text);
        let (own, all): (i64, i64) = match fresh.store.db() {
            Db::Postgres(pool) => sqlx::query_as(statement).bind(tenant.0).fetch_one(pool).await.unwrap(),
            Db::Sqlite { writer, .. } => sqlx::query_as(statement)
                .bind(tenant.0)
                .fetch_one(writer)
                .await
                .unwrap(),
        };
        counted.push((table.clone(), own, all));
    }
    counted
}

/// Ways in for every member who has none.
const WAYS_IN: [&str; 3] = [
    "INSERT INTO invitations (tenant_id, id, email_hash, email, role, invited_by, created_at, expires_at)
     SELECT tenant_id, user_id, email_hash, email, role, 'system', 0, 1
     FROM memberships JOIN users ON users.id = user_id WHERE TRUE ON CONFLICT DO NOTHING",
    "INSERT INTO sign_in_links (tenant_id, id, user_id, created_at, expires_at)
     SELECT tenant_id, user_id, user_id, 0, 1 FROM memberships WHERE TRUE ON CONFLICT DO NOTHING",
    "INSERT INTO sessions (tenant_id, id, user_id, generation, created_at, rotated_at, expires_at)
     SELECT tenant_id, user_id, user_id, 1, 0, 0, 1 FROM memberships WHERE TRUE ON CONFLICT DO NOTHING",
];

/// Gives a tenant at least one row of everything.
async fn fill(fresh: &Fresh, tenant: TenantId, endpoint: EndpointId) {
    let store = &fresh.store;
    let ben = fresh.join(tenant, "ben@example.com", Role::Owner).await;
    let draft = InteractionDraft {
        with: WithWhom::Person("p".into()),
        title: Some(PersonalText::new("visit")),
        note: None,
        assignee: Some(ben.user),
        next_action_at: Some(now()),
    };
    store
        .create_interaction(tenant, &draft, &Actor::System, now())
        .await
        .unwrap();
    assert!(store.claim_overdue(9, second(1)).await.unwrap() > 0);
    for statement in WAYS_IN {
        fresh.execute(statement).await.unwrap();
    }
    let kept = KeptEvent {
        provider: "vapi".into(),
        word: "hang".into(),
        occurred_at: now(),
        content: PersonalText::new("{}"),
    };
    store.keep_event(tenant, endpoint, "4", &kept, now()).await.unwrap();
    store
        .create_api_key(tenant, Role::Owner, &Author::system(), now())
        .await
        .unwrap();
    let opened = of_person(event("m", EmailEvent::Opened, "1"), "p");
    store
        .record_email_event(tenant, endpoint, &opened, now())
        .await
        .unwrap();
    let credential = store
        .create_credential(
            tenant,
            &NewCredential {
                provider: "twilio",
                label: "main",
                clear: &"{}".into(),
                preview: "…",
            },
            &Author::system(),
            now(),
        )
        .await
        .unwrap();
    store.set_route(tenant, Channel::Sms, &[credential.id]).await.unwrap();
    let Passage::Granted(pass) = store.circuit_passage(tenant, credential.id, now()).await.unwrap() else {
        panic!("a new circuit is closed")
    };
    store.circuit_failed(tenant, credential.id, pass, now()).await.unwrap();
    let message = outgoing_of(tenant, "r", NUMBER);
    store
        .claim_requests(tenant, &[(message.id, message.fingerprint)], now())
        .await
        .unwrap();
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
    let set = |_| Ok::<_, StoreError>(Settings::default());
    store
        .change_settings(tenant, set, &Author::system(), now())
        .await
        .unwrap();
    let hot = |mut settings: ScoreSettings| {
        settings.rules.hot_from = Some(8);
        Ok::<_, StoreError>(settings)
    };
    let system = Author::system();
    store.change_score_settings(tenant, hot, &system, now()).await.unwrap();
    // One that is hot, and one in the archive.
    for (person, at) in [("q", second(-9)), ("r", second(9))] {
        let clicked = EmailEventRecord {
            occurred_at: at,
            ..of_person(event(person, EmailEvent::Clicked, person), person)
        };
        store
            .record_email_event(tenant, endpoint, &clicked, now())
            .await
            .unwrap();
    }
    store.archive_scores(tenant, second(-1), None, 10, now()).await.unwrap();
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
    let edit = DeadLetterEdit {
        by: "ann".into(),
        at: now(),
        changes: PersonalText::new("[]"),
    };
    store.record_dead_letter_edit(tenant, id.0, &edit).await.unwrap();
    fresh.begin_to_erase(tenant).await;
}

async fn deleting_a_tenant_deletes_all_it_has_and_nothing_else(fresh: Fresh) {
    fill(&fresh, fresh.tenant, fresh.endpoint).await;
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let endpoint = fresh
        .store
        .create_endpoint(other, "email", "s".into(), now())
        .await
        .unwrap()
        .id;
    fill(&fresh, other, endpoint).await;
    let tables = tables(&fresh).await;
    let before = rows(&fresh, &tables, other).await;
    for (table, own, _) in &before {
        assert!(*own > 0, "this test gives a tenant no row of {table}");
    }
    assert!(
        fresh
            .store
            .delete_tenant(other, &Author::system(), second(9))
            .await
            .unwrap()
    );
    assert!(
        !fresh
            .store
            .delete_tenant(other, &Author::system(), second(9))
            .await
            .unwrap()
    );
    for ((table, own, all), (_, left, after)) in before.into_iter().zip(rows(&fresh, &tables, other).await) {
        assert_eq!(left, 0, "{table}");
        // That the tenant was removed is the installation's own to remember.
        let written_down = i64::from(table == "audit_log");
        assert_eq!(
            after,
            all - own + written_down,
            "{table}: somebody else's rows are gone, too"
        );
    }
}

async fn what_belongs_to_no_tenant_is_refused_as_missing(fresh: Fresh) {
    let nobody = TenantId(Uuid::from_u128(404));
    let check = |refused: StoreError| assert!(matches!(refused, StoreError::Missing), "{refused:?}");
    check(
        fresh
            .store
            .create_api_key(nobody, Role::Owner, &Author::system(), now())
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

//! Who may do what: every route, by every role, and what belongs to another tenant.

use std::collections::BTreeMap;

use chrono::Utc;
use domain::{
    Author, ChallengeId, Channel, EmailAddress, EmailEvent, EmailEventRecord, Language, MessageClass, MessageId,
    Notify, OutgoingRecord, Recipient, Role, TenantId,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store::{MemberChanged, NewChallenge, NewMember, TemplateTexts};
use uuid::Uuid;

use crate::app::{Combination, TestApp, answer, on_every_combination};
use crate::dead_letters::{Garbled, add};

/// Who comes in: the least role, or anybody.
type Least = Option<Role>;

const ANYBODY: Least = None;
const MEMBER: Least = Some(Role::Member);
const SALES: Least = Some(Role::Sales);
const ADMIN: Least = Some(Role::Admin);

/// What every route of the API needs. A route that is missing here was decided by nobody, and fails the test.
const TABLE: &[(&str, &str, Least)] = &[
    ("GET", "/v1/audit", ADMIN),
    ("GET", "/v1/contacts/{id}/export", ADMIN),
    ("DELETE", "/v1/contacts/{id}", ADMIN),
    ("GET", "/v1/credentials", ADMIN),
    ("GET", "/v1/invitations", ADMIN),
    ("POST", "/v1/invitations", ADMIN),
    ("DELETE", "/v1/invitations/{id}", ADMIN),
    ("GET", "/v1/keys", ADMIN),
    ("POST", "/v1/keys", ADMIN),
    ("DELETE", "/v1/keys/{id}", ADMIN),
    ("POST", "/v1/keys/{id}/rotate", ADMIN),
    ("DELETE", "/v1/members/{id}/sessions", ADMIN),
    ("DELETE", "/v1/session", MEMBER),
    ("POST", "/v1/session/rotate", MEMBER),
    ("POST", "/v1/sign-in", ANYBODY),
    ("POST", "/v1/sign-in/redeem", ANYBODY),
    ("GET", "/v1/interactions", MEMBER),
    ("POST", "/v1/interactions", MEMBER),
    ("POST", "/v1/interactions/assign", SALES),
    ("GET", "/v1/interactions/{id}", MEMBER),
    ("DELETE", "/v1/interactions/{id}", MEMBER),
    ("GET", "/v1/interactions/{id}/changes", MEMBER),
    ("PATCH", "/v1/interactions/{id}/status", MEMBER),
    ("PATCH", "/v1/interactions/{id}/assignee", MEMBER),
    ("PATCH", "/v1/interactions/{id}/next-action", MEMBER),
    ("GET", "/v1/jobs/{id}", MEMBER),
    ("GET", "/v1/leads/hot", MEMBER),
    ("GET", "/v1/leads/scoring", MEMBER),
    ("GET", "/v1/me", MEMBER),
    ("GET", "/v1/members", MEMBER),
    ("POST", "/v1/members", ADMIN),
    ("PATCH", "/v1/members/{id}", ADMIN),
    ("DELETE", "/v1/members/{id}", ADMIN),
    ("GET", "/v1/messages", MEMBER),
    ("POST", "/v1/messages", SALES),
    ("GET", "/v1/messages/{id}", MEMBER),
    ("GET", "/v1/messages/{id}/events", MEMBER),
    ("POST", "/v1/otp", SALES),
    ("POST", "/v1/otp/{id}/verify", SALES),
    ("GET", "/v1/stats/delivery", MEMBER),
    ("GET", "/v1/suppressions", SALES),
    ("POST", "/v1/suppressions", SALES),
    ("POST", "/v1/suppressions/lift", SALES),
    ("GET", "/v1/templates", SALES),
    ("POST", "/v1/templates", ADMIN),
    ("GET", "/v1/templates/{name}", SALES),
    ("POST", "/v1/templates/{name}/preview", SALES),
];

/// The routes of the API as the program itself describes them.
async fn routes(app: &TestApp) -> Vec<(String, String)> {
    let described = app.get("/openapi.json").await.body;
    let mut routes = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        if path.starts_with("/v1/") {
            let methods = methods.as_object().unwrap().keys();
            routes.extend(methods.map(|method| (method.to_uppercase(), path.clone())));
        }
    }
    routes.sort();
    routes
}

async fn asked(app: &TestApp, key: Option<&str>, method: &str, path: &str, body: &Value) -> StatusCode {
    let request = app.ask_with(Method::from_bytes(method.as_bytes()).unwrap(), path);
    let request = match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    };
    let request = if method == "GET" { request } else { request.json(body) };
    answer(request).await.status
}

/// A key of the tenant's for every role.
fn keys(app: &TestApp) -> Vec<(Role, String)> {
    let make = |role: Role| app.relais(&["key", "create", "--tenant", &app.tenant, "--role", role.as_str()]);
    let keys = Role::ALL.iter();
    keys.map(|&role| (role, make(role)["api_key"].as_str().unwrap().to_owned()))
        .collect()
}

on_every_combination!(every_route_lets_through_whom_the_table_says);

async fn every_route_lets_through_whom_the_table_says(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let table: BTreeMap<_, _> = TABLE
        .iter()
        .map(|(method, path, least)| ((*method, *path), *least))
        .collect();
    let routes = routes(&app).await;
    let decided: Vec<_> = table
        .keys()
        .map(|(method, path)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    assert_eq!(routes, decided, "routes that nobody decided about, or that are gone");

    let keys = keys(&app);
    // A body that no route takes: what is let through says so, and does nothing.
    let body = json!({ "unheard_of": true });
    for (method, path) in routes {
        let least = table[&(method.as_str(), path.as_str())];
        let real = path
            .replace("{id}", &Uuid::from_u128(404).to_string())
            .replace("{name}", "none");
        let nobody = asked(&app, None, &method, &real, &body).await;
        assert_eq!(
            nobody == StatusCode::UNAUTHORIZED,
            least.is_some(),
            "{method} {path}: {nobody}"
        );
        for (role, key) in &keys {
            let status = asked(&app, Some(key), &method, &real, &body).await;
            let refused = status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED;
            let allowed = least.is_none_or(|least| *role <= least);
            assert_eq!(!refused, allowed, "{method} {path} by {role}: {status}");
            assert!(!status.is_server_error(), "{method} {path} by {role}: {status}");
        }
    }
}

/// Rows of a tenant, by the route that shows them; `key` is one of its own.
async fn fill(app: &TestApp, tenant: TenantId, key: &str) -> Vec<(&'static str, String)> {
    let (store, now) = (app.store().await, Utc::now());
    let new = NewMember {
        email: EmailAddress::parse("bob@example.com").unwrap(),
        role: Role::Member,
        name: None,
        notify: Notify::Email,
        language: None,
    };
    let added = store
        .add_member(tenant, &new, Role::Owner, &Author::system(), now)
        .await
        .unwrap();
    let MemberChanged::Done(member) = added else {
        panic!("{added:?}")
    };
    let recipient = Recipient::try_from("+33612345678".to_owned()).unwrap();
    let message = OutgoingRecord {
        id: MessageId::of_request(tenant, "r"),
        fingerprint: domain::Fingerprint([7; 32]),
        channel: Channel::Sms,
        recipient: recipient.clone(),
        class: MessageClass::Transactional,
        language: None,
        template: None,
        tags: Vec::new(),
        scheduled_at: None,
        person_id: None,
        organisation_id: None,
        subject: None,
        content: None,
        to_member: false,
    };
    store.begin_message(tenant, &message, now).await.unwrap();
    let texts = TemplateTexts {
        text: Some("Bonjour".into()),
        ..TemplateTexts::default()
    };
    store
        .create_template(tenant, "theirs", Language::French, &texts, now)
        .await
        .unwrap();
    let challenge = NewChallenge {
        id: ChallengeId::of_request(tenant, "r"),
        recipient,
        channel: Channel::Sms,
        language: Language::French,
        code_key_id: "k1".into(),
        caller: Uuid::from_u128(5),
    };
    store.begin_challenge(tenant, &challenge, now).await.unwrap();
    let garbled = Garbled {
        endpoint: "none".into(),
        event: 7,
    };
    let job = add(app, &garbled, &tenant.to_string()).await;
    let endpoint = store
        .create_endpoint(tenant, "email", "secret".into(), now)
        .await
        .unwrap()
        .id;
    let opened = EmailEventRecord {
        provider: "sendgrid".into(),
        external_id: "m".into(),
        kind: EmailEvent::Opened,
        identity: "1".into(),
        occurred_at: now,
        recipient: None,
        subject: None,
        person_id: Some("p".into()),
        organisation_id: None,
        url: None,
    };
    store.record_email_event(tenant, endpoint, &opened, now).await.unwrap();
    let inbox = app.get_as(key, "/v1/interactions").await.body;
    let interaction = inbox["items"][0]["id"].as_str().unwrap().to_owned();
    let author = Author::system();
    let contact = inbox["items"][0]["contact_id"].as_str().unwrap().to_owned();
    let key = store.create_api_key(tenant, Role::Member, &author, now).await.unwrap();
    let eve = EmailAddress::parse("eve@example.com").unwrap();
    let invitation = store.invite(tenant, &eve, Role::Member, &author, now).await.unwrap();
    vec![
        ("/v1/contacts/{id}/export", contact.clone()),
        ("/v1/contacts/{id}", contact),
        ("/v1/interactions/{id}/changes", interaction.clone()),
        ("/v1/interactions/{id}/status", interaction.clone()),
        ("/v1/interactions/{id}/assignee", interaction.clone()),
        ("/v1/interactions/{id}/next-action", interaction.clone()),
        ("/v1/jobs/{id}", job),
        ("/v1/interactions/{id}", interaction),
        ("/v1/keys/{id}/rotate", key.key.id.to_string()),
        ("/v1/keys/{id}", key.key.id.to_string()),
        ("/v1/invitations/{id}", invitation.id.to_string()),
        ("/v1/members/{id}/sessions", member.user.to_string()),
        ("/v1/members/{id}", member.user.to_string()),
        ("/v1/messages/{id}", message.id.to_string()),
        ("/v1/messages/{id}/events", message.id.to_string()),
        ("/v1/templates/{name}", "theirs".to_owned()),
        ("/v1/templates/{name}/preview", "theirs".to_owned()),
        ("/v1/otp/{id}/verify", challenge.id.to_string()),
    ]
}

/// A body that the route takes.
fn good_body(method: &str, path: &str) -> Value {
    match (method, path) {
        ("POST", "/v1/otp/{id}/verify") => json!({ "code": "123456" }),
        ("POST", "/v1/templates/{name}/preview") => json!({ "language": "fr", "variables": {} }),
        ("PATCH", "/v1/members/{id}") => json!({ "role": "admin" }),
        ("PATCH", "/v1/interactions/{id}/status") => json!({ "status": "done" }),
        ("PATCH", "/v1/interactions/{id}/assignee") => json!({ "assignee": null }),
        ("PATCH", "/v1/interactions/{id}/next-action") => json!({ "next_action_at": null }),
        _ => json!({}),
    }
}

on_every_combination!(what_is_another_tenants_is_not_there_for_any_role);

async fn what_is_another_tenants_is_not_there_for_any_role(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let other = app.relais(&["tenant", "create", "Other"]);
    app.leaves(&["ready"]);
    let own = other["api_key"].as_str().unwrap();
    let rows = fill(&app, other["id"].as_str().unwrap().parse().unwrap(), own).await;
    let keys = keys(&app);
    let least: BTreeMap<_, _> = TABLE
        .iter()
        .map(|(method, path, least)| ((*method, *path), *least))
        .collect();
    let routes = routes(&app).await;
    // DELETE comes last: what it deletes is not there for its own tenant either.
    for (method, path) in routes.iter().rev().filter(|(_, path)| path.contains('{')) {
        let row = rows.iter().find(|(known, _)| known == path);
        let (_, id) = row.unwrap_or_else(|| panic!("this test makes no row that {path} shows"));
        let real = path.replace("{id}", id).replace("{name}", id);
        let body = good_body(method, path);
        for (role, key) in &keys {
            let status = asked(&app, Some(key), method, &real, &body).await;
            let may = least[&(method.as_str(), path.as_str())].is_none_or(|least| *role <= least);
            let expected = if may {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::FORBIDDEN
            };
            assert_eq!(status, expected, "{method} {path} by {role}");
        }
        let status = asked(&app, Some(own), method, &real, &body).await;
        assert!(
            status != StatusCode::NOT_FOUND,
            "{method} {path} is there for its own tenant"
        );
    }
    let lists = routes
        .iter()
        .filter(|(method, path)| method == "GET" && !path.contains('{'));
    for (_, path) in lists {
        let shown = app.get_as(&app.api_key, path).await.body.to_string();
        for (_, id) in &rows {
            assert!(!shown.contains(id.as_str()), "{path} shows {id}");
        }
        assert!(
            !shown.contains("bob@example.com") && !shown.contains("+33612345678"),
            "{path}"
        );
    }
}

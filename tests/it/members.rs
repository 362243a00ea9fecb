//! Who works for a tenant: added, changed and removed by whom the roles allow, over HTTP and at the command line.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Answer, Combination, TestApp, answer, on_every_combination};

async fn asked(app: &TestApp, key: &str, method: Method, path: &str, body: Value) -> Answer {
    answer(app.ask_with(method, path).bearer_auth(key).json(&body)).await
}

on_every_combination!(members_are_what_whoever_may_makes_of_them);

async fn members_are_what_whoever_may_makes_of_them(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let key = |role| {
        let made = app.relais(&["key", "create", "--tenant", &app.tenant, "--role", role]);
        made["api_key"].as_str().unwrap().to_owned()
    };
    let (owner, admin, member) = (key("owner"), key("admin"), key("member"));
    let ann = app.relais(&[
        "member",
        "add",
        "ann@example.com",
        "--tenant",
        &app.tenant,
        "--role",
        "owner",
    ]);
    assert!(!ann.to_string().contains("ann@"), "the command line masks addresses");
    let ann = format!("/v1/members/{}", ann["id"].as_str().unwrap());

    let ben = json!({
        "email": "ben@example.com", "role": "sales", "name": "Ben", "notify_channel": "sms", "notify_address": "+33612345678",
    });
    let added = asked(&app, &admin, Method::POST, "/v1/members", ben.clone()).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    for (name, value) in ben.as_object().unwrap() {
        assert_eq!(&added.body[name], value, "{name}");
    }
    let again = asked(&app, &admin, Method::POST, "/v1/members", ben).await;
    assert_eq!(
        (again.status, &again.body["code"]),
        (StatusCode::CONFLICT, &json!("conflict"))
    );
    let id = added.body["id"].as_str().unwrap();
    let path = format!("/v1/members/{id}");
    let shown_to = async |key| {
        let listed = app.get_as(key, "/v1/members").await.body["items"].clone();
        let members = listed.as_array().unwrap().clone();
        members.into_iter().find(|member| member["id"] == id).unwrap()
    };
    assert_eq!(shown_to(&admin).await["notify_address"], "+33612345678");
    assert_eq!(
        shown_to(&member).await["notify_address"],
        Value::Null,
        "nobody else's to know"
    );

    let change = json!({ "role": "admin", "name": null, "notify_channel": "email", "language": "fr" });
    let changed = asked(&app, &admin, Method::PATCH, &path, change).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    for (name, value) in [
        ("role", json!("admin")),
        ("name", Value::Null),
        ("notify_channel", json!("email")),
        ("notify_address", Value::Null),
        ("language", json!("fr")),
    ] {
        assert_eq!(changed.body[name], value, "{name}");
    }
    for (key, path, body, status) in [
        (&admin, &path, json!({ "role": "owner" }), StatusCode::FORBIDDEN),
        (&admin, &ann, json!({ "role": "admin" }), StatusCode::FORBIDDEN),
        (&owner, &ann, json!({ "role": "admin" }), StatusCode::CONFLICT),
        (
            &admin,
            &path,
            json!({ "notify_channel": "sms" }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            &admin,
            &path,
            json!({ "notify_address": "ben@example.com" }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (&admin, &path, json!({ "name": "" }), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let refused = asked(&app, key, Method::PATCH, path, body.clone()).await;
        assert_eq!(refused.status, status, "{body}: {refused:?}");
    }
    let stays = asked(&app, &owner, Method::DELETE, &ann, json!({})).await;
    assert_eq!(stays.status, StatusCode::CONFLICT, "the last owner stays");
    let gone = asked(&app, &admin, Method::DELETE, &path, json!({})).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let listed = app.relais(&["member", "list", "--tenant", &app.tenant]);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
}

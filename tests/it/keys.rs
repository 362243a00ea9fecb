//! API keys: made, changed over without a gap, and ended.

use chrono::{TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Answer, Combination, TestApp, answer, on_every_combination};

async fn post(app: &TestApp, path: &str, body: Value) -> Answer {
    let request = app.ask_with(Method::POST, path).bearer_auth(&app.api_key);
    answer(request.json(&body)).await
}

/// Makes a key, or one in the place of another: its id and the key itself.
async fn made(app: &TestApp, path: &str, body: Value) -> (String, String) {
    let made = post(app, path, body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    (text("id"), text("api_key"))
}

async fn status(app: &TestApp, key: &str) -> StatusCode {
    app.get_as(key, "/v1/me").await.status
}

on_every_combination!(
    a_key_is_rotated_without_a_moment_in_which_none_is_good,
    a_key_ends_when_it_was_said_to_and_when_it_is_revoked,
);

async fn a_key_is_rotated_without_a_moment_in_which_none_is_good(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let (old_id, old) = made(&app, "/v1/keys", json!({ "role": "member", "name": "till" })).await;
    let rotate = format!("/v1/keys/{old_id}/rotate");
    let (new_id, new) = made(&app, &rotate, json!({ "overlap_seconds": 2 })).await;
    assert_eq!(status(&app, &new).await, StatusCode::OK);
    let again = post(&app, &rotate, json!({})).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "the new one is the one to rotate");
    app.wait_until("the overlap ends", async || {
        status(&app, &old).await == StatusCode::UNAUTHORIZED
    })
    .await;
    assert_eq!(status(&app, &new).await, StatusCode::OK);

    // Half an hour is longer than this test: both are good now.
    let (newest_id, newest) = made(
        &app,
        &format!("/v1/keys/{new_id}/rotate"),
        json!({ "overlap_seconds": 1800 }),
    )
    .await;
    for key in [&new, &newest] {
        assert_eq!(status(&app, key).await, StatusCode::OK);
    }
    let shown = async |id: &str| {
        let keys = app.ask("/v1/keys").await["items"].as_array().unwrap().clone();
        keys.into_iter().find(|key| key["id"] == id).unwrap()
    };
    app.wait_until("the last use is shown", async || {
        shown(&newest_id).await["last_used_at"].is_string()
    })
    .await;
    let newest = shown(&newest_id).await;
    assert_eq!(
        (&newest["replaces"], &newest["name"], &newest["role"]),
        (&json!(new_id), &json!("till"), &json!("member"))
    );
    assert_eq!(newest["expires_at"], Value::Null, "good for ever, as the first one was");
    assert!(newest.get("api_key").is_none(), "a key is shown once");
}

async fn a_key_ends_when_it_was_said_to_and_when_it_is_revoked(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    for body in [
        json!({ "role": "member", "expires_at": Utc::now() - TimeDelta::seconds(1) }),
        json!({ "role": "member", "name": "" }),
        json!({ "role": "king" }),
    ] {
        let refused = post(&app, "/v1/keys", body.clone()).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
    let soon = Utc::now() + TimeDelta::seconds(2);
    let (_, ending) = made(&app, "/v1/keys", json!({ "role": "member", "expires_at": soon })).await;
    app.wait_until("it has ended", async || {
        status(&app, &ending).await == StatusCode::UNAUTHORIZED
    })
    .await;
    assert!(Utc::now() >= soon, "not before it was said to");
    let (id, key) = made(&app, "/v1/keys", json!({ "role": "member" })).await;
    let path = format!("/v1/keys/{id}");
    let revoked = answer(app.ask_with(Method::DELETE, &path).bearer_auth(&app.api_key)).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    assert_eq!(status(&app, &key).await, StatusCode::UNAUTHORIZED);
}

//! What is wrong with a request is said in words that its sender can do something with, and leaves nothing behind.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Answer, Combination, TestApp, answer, on_every_combination};

/// What a time must be, as answers say it.
const A_TIME: &str = "a time by RFC 3339 with its zone, of the years 1970 to 9999, e.g. 2026-01-31T09:00:00Z";

impl TestApp {
    async fn say(&self, key: &str, method: Method, path: &str, body: &str) -> Answer {
        let request = self.ask_with(method, path).bearer_auth(key);
        let request = request.header("Content-Type", "application/json");
        answer(request.body(body.to_owned())).await
    }

    /// Asks for it with the tenant's key; it must be refused in these words.
    async fn is_told(&self, method: Method, path: &str, body: &str, expected: &str) {
        let refused = self.say(&self.api_key, method, path, body).await;
        assert_eq!(
            refused.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path} {body}: {refused:?}"
        );
        assert_eq!(refused.body["detail"], expected, "{path} {body}");
    }

    async fn make(&self, body: &Value) -> Value {
        let made = self
            .say(&self.api_key, Method::POST, "/v1/interactions", &body.to_string())
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{body}: {made:?}");
        made.body
    }
}

on_every_combination!(
    what_is_wrong_with_a_body_is_said_in_plain_words,
    a_time_is_answered_as_it_is_read_back_and_is_of_the_calendar,
    no_list_takes_the_cursor_of_another,
);

async fn what_is_wrong_with_a_body_is_said_in_plain_words(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let made = app.make(&json!({ "contact": { "person_id": "ana" } })).await;
    let of = |rest: &str| format!("/v1/interactions/{}{rest}", made["id"].as_str().unwrap());
    let an_object = "The body must be an object.";
    let told = async |path: &str, body: &str, expected: &str| app.is_told(Method::POST, path, body, expected).await;
    let new = "/v1/interactions";
    told(new, "null", an_object).await;
    told(new, r#"[null,{"email":"pos@example.com"},"positional"]"#, an_object).await;
    told(
        new,
        r#"{"contact":["pos",null,null,null]}"#,
        "`contact` must be an object.",
    )
    .await;
    told(new, r#"{"contact":"ana"}"#, "`contact` must be an object.").await;
    told(new, r#"{"contact_id":"x"}"#, "`contact_id` must be an id (UUID).").await;
    told(
        new,
        r#"{"contact":{"person_id":"a\u0007b"}}"#,
        "`contact.person_id` must have 1 to 200 bytes and no control characters.",
    )
    .await;
    for at in ["tomorrow", "", "2026-01-31T09:00:00", "-262143-01-01T00:00:00Z"] {
        let body = json!({ "contact": { "person_id": "ana" }, "next_action_at": at });
        let expected = format!("`next_action_at` must be {A_TIME}.");
        told(new, &body.to_string(), &expected).await;
    }
    let title = "{\"contact\":{\"person_id\":\"ana\"},\"title\":\"a\u{2028}b\"}";
    told(
        new,
        title,
        "`title` must have at most 200 characters, and be one line without control characters.",
    )
    .await;
    let assign = "/v1/interactions/assign";
    told(
        assign,
        r#"{"ids":["x"],"assignee":null}"#,
        "`ids[0]` must be an id (UUID).",
    )
    .await;
    told(
        assign,
        r#"{"filter":["todo"],"assignee":null}"#,
        "`filter` must be an object.",
    )
    .await;
    for version in [r#""1""#, "-1"] {
        let body = format!(r#"{{"status":"done","version":{version}}}"#);
        let expected = "`version` must be a whole number from 0.";
        app.is_told(Method::PATCH, &of("/status"), &body, expected).await;
    }
    for (method, path) in [
        (Method::PATCH, of("/status")),
        (Method::PATCH, of("/assignee")),
        (Method::PATCH, of("/next-action")),
        (Method::POST, assign.to_owned()),
        (Method::POST, "/v1/messages".to_owned()),
        (Method::POST, "/v1/otp".to_owned()),
        (Method::POST, "/v1/templates".to_owned()),
        (Method::POST, "/v1/suppressions".to_owned()),
        (Method::POST, "/v1/members".to_owned()),
        (Method::POST, "/v1/keys".to_owned()),
        (Method::POST, "/v1/invitations".to_owned()),
        (Method::POST, "/v1/sign-in".to_owned()),
    ] {
        for list in ["[]", r#"["done"]"#, r#"["done",1,null]"#] {
            app.is_told(method.clone(), &path, list, an_object).await;
        }
    }
    told(
        "/v1/messages",
        r#"{"channel":"sms","to":"+33612345678","content":[null,"hello"]}"#,
        "`content` must be an object.",
    )
    .await;
    assert_eq!(
        app.ask(&of("")).await["version"],
        1,
        "nothing of it changed what is there"
    );
    let inbox = app.ask("/v1/interactions").await;
    assert_eq!(inbox["items"].as_array().unwrap().len(), 1, "and nothing was made");

    let member = app.relais(&["key", "create", "--tenant", &app.tenant, "--role", "member"]);
    let member = member["api_key"].as_str().unwrap();
    let refused = app.say(member, Method::POST, assign, "{}").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(
        refused.body["detail"],
        "Your role is member; to change many interactions at once needs sales at least. Your own you may change one at a time."
    );
}

async fn a_time_is_answered_as_it_is_read_back_and_is_of_the_calendar(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    for (asked, answered) in [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2030-01-31T09:00:00.1239+02:00", "2030-01-31T07:00:00.123Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    ] {
        let body = json!({ "contact": { "person_id": "ana" }, "next_action_at": asked });
        let made = app.make(&body).await;
        assert_eq!(made["next_action_at"], answered);
        let path = format!("/v1/interactions/{}", made["id"].as_str().unwrap());
        assert_eq!(app.ask(&path).await, made);
    }
    let made = app.make(&json!({ "contact": { "person_id": "ana" } })).await;
    let next_action = format!("/v1/interactions/{}/next-action", made["id"].as_str().unwrap());
    for at in [
        "+262142-12-31T23:59:59Z",
        "-262143-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
    ] {
        for (method, path, field, body) in [
            (
                Method::PATCH,
                next_action.as_str(),
                "next_action_at",
                json!({ "next_action_at": at }),
            ),
            (
                Method::POST,
                "/v1/keys",
                "expires_at",
                json!({ "role": "member", "expires_at": at }),
            ),
            (
                Method::POST,
                "/v1/messages",
                "scheduled_at",
                json!({ "channel": "sms", "to": "+33612345678", "scheduled_at": at }),
            ),
        ] {
            let expected = format!("`{field}` must be {A_TIME}.");
            app.is_told(method, path, &body.to_string(), &expected).await;
        }
    }
    for day in ["-262143-01-01", "%2B262142-12-31", "1969-12-31"] {
        let refused = app.get_as(&app.api_key, &format!("/v1/stats/delivery?to={day}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{day}: {refused:?}");
    }
}

async fn no_list_takes_the_cursor_of_another(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let mut last = Value::Null;
    for at in [Some("2020-01-01T00:00:00Z"), Some("2020-01-02T00:00:00Z"), None] {
        let body = json!({ "contact": { "person_id": "ana" }, "title": "visit", "next_action_at": at });
        last = app.make(&body).await;
        app.relais(&["key", "create", "--tenant", &app.tenant, "--role", "member"]);
    }
    let changes = format!("/v1/interactions/{}/changes?limit=1", last["id"].as_str().unwrap());
    let status = format!("/v1/interactions/{}/status", last["id"].as_str().unwrap());
    let begun = r#"{"status":"in_progress"}"#;
    app.say(&app.api_key, Method::PATCH, &status, begun).await;
    let lists = [
        "/v1/interactions?limit=1",
        "/v1/interactions?limit=1&due=overdue",
        "/v1/keys?limit=1",
        "/v1/audit?limit=1",
        changes.as_str(),
    ];
    let mut cursors = Vec::new();
    for list in lists {
        let page = app.ask(list).await;
        cursors.push(page["next_cursor"].as_str().unwrap().to_owned());
    }
    let others = [
        "/v1/interactions?due=upcoming",
        "/v1/members?limit=1",
        "/v1/messages?limit=1",
    ];
    for (place, list) in lists.into_iter().chain(others).enumerate() {
        for (of, cursor) in cursors.iter().enumerate() {
            let went_on = app.get_as(&app.api_key, &format!("{list}&cursor={cursor}")).await;
            if place == of {
                assert_eq!(went_on.status, StatusCode::OK, "{list}: {went_on:?}");
                assert_eq!(went_on.body["items"].as_array().unwrap().len(), 1, "{list}");
            } else {
                assert_eq!(
                    went_on.status,
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "{list} {cursor}: {went_on:?}"
                );
                let told = went_on.body["detail"].as_str().unwrap();
                assert!(told.starts_with("`cursor` must be"), "{told}");
            }
        }
    }
    let found = app.ask("/v1/interactions?limit=1&q=visit&due=overdue").await;
    let newest = found["next_cursor"].as_str().unwrap();
    let soonest = app
        .get_as(&app.api_key, &format!("/v1/interactions?due=overdue&cursor={newest}"))
        .await;
    assert_eq!(
        soonest.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "what is searched for comes in another order"
    );
}

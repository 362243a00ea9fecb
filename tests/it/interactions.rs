//! Work with contacts: asked for, found, changed by who may, and never by two at once unnoticed.

use chrono::{TimeDelta, Utc};
use domain::{Author, EmailAddress, Notify, Role};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store::{MemberChanged, NewMember};

use crate::app::{Answer, Combination, TestApp, answer, on_every_combination};

impl TestApp {
    /// An API key of that role.
    fn key_of(&self, role: &str) -> String {
        let key = self.relais(&["key", "create", "--tenant", &self.tenant, "--role", role]);
        key["api_key"].as_str().unwrap().to_owned()
    }

    async fn write(&self, key: &str, method: Method, path: &str, body: &Value) -> Answer {
        let path = format!("/v1/interactions{path}");
        answer(self.ask_with(method, &path).bearer_auth(key).json(body)).await
    }

    async fn created(&self, key: &str, body: &Value) -> Value {
        let created = self.write(key, Method::POST, "", body).await;
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        assert_eq!(created.headers["etag"], "\"1\"");
        created.body
    }

    /// The titles that the inbox shows, in its order.
    async fn titles(&self, narrowed: &str) -> Vec<String> {
        let shown = self.ask(&format!("/v1/interactions?{narrowed}")).await;
        let items = shown["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["title"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    async fn member(&self, name: &str) -> String {
        let new = NewMember {
            email: EmailAddress::parse(&format!("{name}@example.com")).unwrap(),
            role: Role::Sales,
            name: None,
            notify: Notify::None,
            language: None,
        };
        let tenant = self.tenant.parse().unwrap();
        let store = self.store().await;
        let added = store
            .add_member(tenant, &new, Role::Owner, &Author::system(), Utc::now())
            .await;
        match added.unwrap() {
            MemberChanged::Done(member) => member.user.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn path(interaction: &Value, rest: &str) -> String {
    format!("/{}{rest}", interaction["id"].as_str().unwrap())
}

on_every_combination!(
    work_is_asked_for_changed_in_turns_and_removed,
    a_key_in_the_place_of_another_goes_on_with_its_work_and_who_may_not_stands_in_the_log,
    the_inbox_shows_what_is_asked_for_and_many_are_given_to_somebody_at_once,
);

async fn work_is_asked_for_changed_in_turns_and_removed(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let (owner, member, sales) = (app.api_key.clone(), app.key_of("member"), app.key_of("sales"));
    let ben = app.member("ben").await;
    let asked =
        json!({ "contact": { "person_id": "ana" }, "title": "Rappeler Zoë", "note": "devis\n17", "assignee": ben });
    let mine = app.created(&member, &asked).await;
    assert_eq!(
        (&mine["status"], &mine["reason"], &mine["version"], &mine["assignee"]),
        (&json!("todo"), &json!("manual"), &json!(1), &json!(ben))
    );
    assert_eq!(app.ask(&format!("/v1/interactions{}", path(&mine, ""))).await, mine);
    let theirs = json!({ "contact_id": mine["contact_id"], "title": "Another" });
    let theirs = app.created(&owner, &theirs).await;

    let done = json!({ "status": "done" });
    let refused = app
        .write(&member, Method::PATCH, &path(&theirs, "/status"), &done)
        .await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (StatusCode::FORBIDDEN, &json!("forbidden"))
    );
    let refused = app.write(&member, Method::DELETE, &path(&theirs, ""), &json!({})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let changed = app.write(&sales, Method::PATCH, &path(&theirs, "/status"), &done).await;
    assert_eq!(
        (changed.status, &changed.body["version"]),
        (StatusCode::OK, &json!(2)),
        "{changed:?}"
    );

    let begun = json!({ "status": "in_progress", "version": 1 });
    let changed = app.write(&member, Method::PATCH, &path(&mine, "/status"), &begun).await;
    assert_eq!(
        (changed.status, &changed.headers["etag"]),
        (StatusCode::OK, &"\"2\"".parse().unwrap())
    );
    let late = app
        .write(
            &sales,
            Method::PATCH,
            &path(&mine, "/assignee"),
            &json!({ "assignee": null, "version": 1 }),
        )
        .await;
    assert_eq!(
        (late.status, &late.body["code"]),
        (StatusCode::CONFLICT, &json!("conflict")),
        "{late:?}"
    );
    assert!(late.body["detail"].as_str().unwrap().contains('2'), "{late:?}");
    let same = app.write(&sales, Method::PATCH, &path(&mine, "/status"), &begun).await;
    assert_eq!(same.status, StatusCode::CONFLICT, "also for what stands there already");
    let again = app
        .write(
            &sales,
            Method::PATCH,
            &path(&mine, "/status"),
            &json!({ "status": "in_progress" }),
        )
        .await;
    assert_eq!(again.body["version"], 2, "nothing changed");
    let nobody = app
        .write(
            &sales,
            Method::PATCH,
            &path(&mine, "/assignee"),
            &json!({ "assignee": null }),
        )
        .await;
    assert_eq!(
        (nobody.status, &nobody.body["assignee"]),
        (StatusCode::OK, &json!(null))
    );
    let at = json!({ "next_action_at": "2030-01-01T09:00:00Z" });
    app.write(&sales, Method::PATCH, &path(&mine, "/next-action"), &at)
        .await;

    let changes = app
        .ask(&format!("/v1/interactions{}?limit=3", path(&mine, "/changes")))
        .await;
    let shown = |changes: &Value| -> Vec<String> {
        let line = |change: &Value| {
            format!(
                "{} {} {} {}",
                change["version"], change["field"], change["before"], change["after"]
            )
        };
        changes["items"].as_array().unwrap().iter().map(line).collect()
    };
    assert_eq!(
        shown(&changes),
        [
            r#"4 "next_action_at" null "2030-01-01T09:00:00Z""#.to_owned(),
            format!(r#"3 "assignee" "{ben}" null"#),
            r#"2 "status" "todo" "in_progress""#.to_owned(),
        ]
    );
    let next = changes["next_cursor"].as_str().unwrap();
    let rest = app
        .ask(&format!("/v1/interactions{}?cursor={next}", path(&mine, "/changes")))
        .await;
    assert_eq!(shown(&rest), [r#"1 "created" null null"#]);
    assert!(
        rest["items"][0]["actor"].as_str().unwrap().starts_with("key:"),
        "{rest}"
    );

    for (path, body, field) in [
        ("/status", json!({}), "status"),
        ("/status", json!({ "status": "odd" }), "status"),
        ("/assignee", json!({}), "assignee"),
        ("/assignee", json!({ "assignee": "me" }), "assignee"),
        ("/assignee", json!({ "assignee": mine["id"] }), "assignee"),
        ("/next-action", json!({ "next_action_at": "soon" }), "next_action_at"),
    ] {
        let refused = app.write(&owner, Method::PATCH, &self::path(&mine, path), &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {refused:?}");
        assert!(refused.body["detail"].as_str().unwrap().contains(field), "{refused:?}");
    }
    let removed = app.write(&member, Method::DELETE, &path(&mine, ""), &json!({})).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT, "{removed:?}");
    let gone = app.write(&member, Method::DELETE, &path(&mine, ""), &json!({})).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

async fn a_key_in_the_place_of_another_goes_on_with_its_work_and_who_may_not_stands_in_the_log(
    combination: Combination,
) {
    let app = TestApp::on(combination).workers(0).start().await;
    let made = app.relais(&["key", "create", "--tenant", &app.tenant, "--role", "member"]);
    let (first, other) = (made["api_key"].as_str().unwrap(), app.key_of("member"));
    let work = app
        .created(
            first,
            &json!({ "contact": { "person_id": "weiss" }, "title": "Frau Weiß, Straße" }),
        )
        .await;
    let rotate = format!("/v1/keys/{}/rotate", made["id"].as_str().unwrap());
    let rotated = app.ask_with(Method::POST, &rotate).bearer_auth(&app.api_key);
    let rotated = answer(rotated.json(&json!({}))).await.body;
    let second = rotated["api_key"].as_str().unwrap();
    let done = json!({ "status": "done" });
    let refused = app.write(&other, Method::PATCH, &path(&work, "/status"), &done).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "another member's key");
    let changed = app.write(second, Method::PATCH, &path(&work, "/status"), &done).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert_eq!(app.titles("q=weiss+strasse").await, ["Frau Weiß, Straße"]);
    let removed = app.write(second, Method::DELETE, &path(&work, ""), &json!({})).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT, "{removed:?}");

    app.wait_until("the refusal is written down with what it was about", async || {
        let refusals = app.ask("/v1/audit?action=permission_refused").await;
        refusals["items"][0]["target"] == work["id"]
    })
    .await;
}

async fn the_inbox_shows_what_is_asked_for_and_many_are_given_to_somebody_at_once(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    app.relais(&["tenant", "set", &app.tenant, "--time-zone", "Pacific/Kiritimati"]);
    let (ben, eve, key) = (app.member("ben").await, app.member("eve").await, app.api_key.clone());
    let hours = |hours: i64| json!(Utc::now() + TimeDelta::hours(hours));
    let make = async |title: &str, at: Value, assignee: &Value| {
        let body = json!({ "contact": { "email": "ana@example.com" }, "title": title, "next_action_at": at, "assignee": assignee });
        app.created(&key, &body).await
    };
    make("late offer", hours(-2), &json!(ben)).await;
    make("later offer", hours(-1), &json!(null)).await;
    make("far away", hours(50), &json!(ben)).await;
    make("no plan", json!(null), &json!(null)).await;
    let done = make("done long ago", hours(-9), &json!(ben)).await;
    app.write(
        &key,
        Method::PATCH,
        &path(&done, "/status"),
        &json!({ "status": "done" }),
    )
    .await;

    let check =
        async |narrowed: &str, expected: &[&str]| assert_eq!(app.titles(narrowed).await, expected, "{narrowed}");
    check("due=overdue", &["late offer", "later offer"]).await;
    check("due=upcoming", &["far away"]).await;
    check("due=none", &["no plan"]).await;
    check("due=today", &[]).await;
    check(&format!("assignee={ben}"), &["done long ago", "far away", "late offer"]).await;
    check("assignee=none&status=todo", &["no plan", "later offer"]).await;
    check(&format!("assignee={ben}&due=overdue&status=todo"), &["late offer"]).await;
    check("q=OFF", &["later offer", "late offer"]).await;
    check("q=offer+late&assignee=none", &["later offer"]).await;
    check("q=nowhere", &[]).await;
    let first = app.ask("/v1/interactions?due=overdue&limit=1").await;
    let next = first["next_cursor"].as_str().unwrap();
    check(&format!("due=overdue&limit=1&cursor={next}"), &["later offer"]).await;
    for odd in ["due=soon", "assignee=me", "assignee=ben", "q=", "q=%21", "status=odd"] {
        let refused = app.get_as(&key, &format!("/v1/interactions?{odd}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{odd}: {refused:?}");
    }

    let give = async |body: Value| app.write(&key, Method::POST, "/assign", &body).await;
    let given = give(json!({ "filter": { "q": "offer" }, "assignee": eve })).await;
    assert_eq!(given.body, json!({ "assigned": 2, "more": false }));
    let given = give(json!({ "filter": { "q": "offer" }, "assignee": eve })).await;
    assert_eq!(given.body["assigned"], 0, "they are hers already");
    check(&format!("assignee={eve}"), &["later offer", "late offer"]).await;
    let given = give(json!({ "ids": [done["id"], app.tenant], "assignee": null })).await;
    assert_eq!(given.body["assigned"], 1, "what is not there is passed over");
    let refused = give(json!({ "filter": {}, "assignee": app.tenant })).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");

    let removed = app
        .ask_with(Method::DELETE, &format!("/v1/members/{eve}"))
        .bearer_auth(&key);
    assert!(answer(removed).await.status.is_success());
    check("assignee=none&q=offer", &["later offer", "late offer"]).await;
}

//! Sending, all the way: one request becomes one message outside, whatever goes wrong on the way.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::{Fault, Misbehaviour, Provider, Selector};

use crate::app::{Combination, on_every_combination};
use crate::outside::{ANA, OURS, Sending, only, sms};

on_every_combination!(a_text_goes_out_once_however_often_it_is_asked_for);

async fn a_text_goes_out_once_however_often_it_is_asked_for(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let asked = json!({ "channel": "sms", "to": ANA, "content": { "text": "Hello {{ name }}" },
        "variables": { "name": "Ana" }, "person_id": "ana", "tags": ["spring"] });
    let first = sending.post("/v1/messages", Some("order-7"), &asked).await;
    assert_eq!(
        (first.status, &first.body["duplicate"]),
        (StatusCode::ACCEPTED, &json!(false)),
        "{first:?}"
    );
    let again = sending.post("/v1/messages", Some("order-7"), &asked).await;
    assert_eq!(
        (again.status, &again.body["duplicate"]),
        (StatusCode::ACCEPTED, &json!(true)),
        "{again:?}"
    );
    assert_eq!(again.body["id"], first.body["id"]);

    let effect = only(&sending.wait_for_effects(1).await);
    assert_eq!(
        (effect.to.expose(), effect.from.expose(), effect.text.expose()),
        (ANA, OURS, "Hello Ana")
    );
    let id = first.body["id"].as_str().unwrap();
    sending
        .wait_for_status(id, &["accepted", "sending", "sent", "delivered"])
        .await;
    let message = sending.message(id).await;
    assert_eq!(message["provider"], "twilio");
    assert_eq!(message["external_id"], effect.external_id.as_str());
    assert_eq!(
        (&message["person_id"], &message["tags"]),
        (&json!("ana"), &json!(["spring"]))
    );

    let late = sending.post("/v1/messages", Some("order-7"), &asked).await;
    assert_eq!(
        (late.status, &late.body["duplicate"]),
        (StatusCode::ACCEPTED, &json!(true)),
        "{late:?}"
    );
    assert_eq!(only(&sending.simulator.ledger()).seen, 1);
}

on_every_combination!(another_request_with_the_same_key_is_refused);

async fn another_request_with_the_same_key_is_refused(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let whatsapp = json!({ "channel": "whatsapp", "to": ANA, "content": { "text": "Hello" } });
    let twilio = sending
        .app
        .relais(&["credential", "list", "--tenant", &sending.app.tenant]);
    sending.route("whatsapp", &[twilio["items"][0]["id"].as_str().unwrap()]);
    let later = Utc::now() + TimeDelta::days(1);
    let waiting = json!({ "channel": "sms", "to": ANA, "content": { "text": "Hello" }, "scheduled_at": later });
    for (key, first) in [("waits", &waiting), ("went", &sms("Hello"))] {
        let id = sending.send(Some(key), first).await;
        if key == "went" {
            sending
                .wait_for_status(&id, &["accepted", "sending", "sent", "delivered"])
                .await;
        }
        for other in [&sms("Goodbye"), &whatsapp] {
            let refused = sending.post("/v1/messages", Some(key), other).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{key}: {refused:?}");
            assert_eq!(refused.body["code"], "idempotency_key_reused", "{key}: {refused:?}");
        }
    }
    sending.app.leaves(&["scheduled"]);
}

on_every_combination!(what_cannot_be_sent_is_refused_at_the_door_and_leaves_no_job);

async fn what_cannot_be_sent_is_refused_at_the_door_and_leaves_no_job(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let with = |field: &str, value: Value| {
        let mut body = sms("Hello");
        body[field] = value;
        body
    };
    for (body, code, named) in [
        (json!({}), "unreadable", "channel"),
        (with("to", json!("0612345678")), "unreadable", "`to`"),
        (with("to", json!("ana@example.com")), "unreadable", "`to`"),
        (with("channel", json!("pigeon")), "unreadable", "`channel`"),
        (with("colour", json!("red")), "unreadable", "`colour`"),
        (
            with("content", json!({ "text": "Hello {{ name }}" })),
            "variable_missing",
            "`name`",
        ),
        (with("content", json!({ "text": "{% if %}" })), "unreadable", "`text`"),
        (with("content", json!({ "text": "" })), "unreadable", "`text`"),
        (with("content", Value::Null), "unreadable", "`template`"),
        (with("template", json!({ "name": "none" })), "unreadable", "`template`"),
        (with("from", json!("Acme and Sons")), "unreadable", "`from`"),
        (
            with("attachments", json!([{ "url": "https://example.com/a" }])),
            "unreadable",
            "`attachments`",
        ),
        (with("providers", json!(["resend"])), "unreadable", "`providers[0]`"),
        (
            with("scheduled_at", json!("2099-01-01T00:00:00Z")),
            "unreadable",
            "`scheduled_at`",
        ),
        (
            json!({ "channel": "email", "to": "ana@example.com", "content": { "subject": "a", "text": "b" } }),
            "route_missing",
            "email",
        ),
    ] {
        let refused = sending.post("/v1/messages", None, &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {refused:?}");
        assert_eq!(refused.body["code"], code, "{body}: {refused:?}");
        assert!(
            refused.body["detail"].as_str().unwrap().contains(named),
            "{body}: {refused:?}"
        );
    }
    assert_eq!(sending.app.counted("added").await, 0);
    assert_eq!(sending.simulator.ledger().effects().len(), 0);
}

on_every_combination!(a_message_whose_answer_was_lost_is_found_and_not_sent_again);

async fn a_message_whose_answer_was_lost_is_found_and_not_sent_again(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let lost = Fault::from(Misbehaviour::LostAnswer).times(1);
    sending.simulator.set_fault(lost).unwrap();
    let id = sending.send(None, &sms("Hello")).await;
    sending
        .wait_for_status(&id, &["accepted", "sending", "sent", "delivered"])
        .await;
    let effect = only(&sending.wait_for_effects(1).await);
    assert_eq!(sending.message(&id).await["external_id"], effect.external_id.as_str());
}

on_every_combination!(a_provider_that_refuses_the_account_gives_way_to_the_next);

async fn a_provider_that_refuses_the_account_gives_way_to_the_next(combination: Combination) {
    let sending = Sending::on(combination).await;
    let (wrong, good) = (sending.wrong_twilio(), sending.good("twilio"));
    sending.route("sms", &[&wrong, &good]);
    let id = sending.send(None, &sms("Hello")).await;
    sending
        .wait_for_status(&id, &["accepted", "sending", "sent", "delivered"])
        .await;
    only(&sending.wait_for_effects(1).await);
    assert!(sending.events(&id).await.contains(&"not_sent".to_owned()));
}

on_every_combination!(a_provider_that_is_away_or_busy_is_tried_again);

async fn a_provider_that_is_away_or_busy_is_tried_again(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let unavailable = Misbehaviour::ServerError {
        status: 503,
        executed: false,
    };
    let busy = Misbehaviour::TooManyRequests { retry_after_seconds: 1 };
    for fault in [unavailable, busy] {
        sending.simulator.set_fault(Fault::from(fault).times(1)).unwrap();
    }
    let id = sending.send(None, &sms("Hello")).await;
    sending
        .wait_for_status(&id, &["accepted", "sending", "sent", "delivered"])
        .await;
    only(&sending.wait_for_effects(1).await);
}

on_every_combination!(a_recipient_who_wants_no_more_gets_no_more);

async fn a_recipient_who_wants_no_more_gets_no_more(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let stopped = Misbehaviour::Refuse {
        status: 400,
        code: "21610".into(),
    };
    sending.simulator.set_fault(Fault::from(stopped).times(1)).unwrap();
    let first = sending.send(None, &sms("Hello")).await;
    sending.wait_for_status(&first, &["failed"]).await;
    let second = sending.send(None, &sms("Hello again")).await;
    sending.wait_for_status(&second, &["failed"]).await;
    assert!(sending.events(&second).await.contains(&"suppressed".to_owned()));
    assert_eq!(sending.simulator.ledger().effects().len(), 0);
    let whom = json!({ "channel": "sms", "to": ANA });
    let lifted = sending.post("/v1/suppressions/lift", None, &whom).await;
    assert_eq!(
        lifted.body["remaining"],
        json!(["stop"]),
        "only who said STOP takes it back"
    );
}

on_every_combination!(whom_the_tenant_suppresses_gets_nothing_until_that_is_lifted);

async fn whom_the_tenant_suppresses_gets_nothing_until_that_is_lifted(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let whom = json!({ "channel": "sms", "to": ANA });
    for added in [true, false] {
        let answer = sending.post("/v1/suppressions", None, &whom).await;
        assert_eq!(
            (answer.status, &answer.body["added"]),
            (StatusCode::CREATED, &json!(added)),
            "{answer:?}"
        );
    }
    let list = async |filter: &str| sending.app.ask(&format!("/v1/suppressions{filter}")).await["items"].clone();
    let all = list("").await;
    let listed = (&all[0]["channel"], &all[0]["to"], &all[0]["reason"], &all[0]["source"]);
    assert_eq!(
        listed,
        (&json!("sms"), &json!(ANA), &json!("manual"), &json!("api")),
        "{all}"
    );
    assert_eq!(list("?reason=stop").await, json!([]));

    let stopped = sending.send(None, &sms("Hello")).await;
    sending.wait_for_status(&stopped, &["failed"]).await;
    assert_eq!(sending.message(&stopped).await["error_code"], "manual");
    assert!(sending.events(&stopped).await.contains(&"suppressed".to_owned()));
    assert_eq!(sending.simulator.ledger().effects().len(), 0);

    let lifted = sending.post("/v1/suppressions/lift", None, &whom).await;
    assert_eq!(
        lifted.body,
        json!({ "lifted": ["manual"], "remaining": [] }),
        "{lifted:?}"
    );
    assert_eq!(list("").await, json!([]));
    sending.send(None, &sms("Hello again")).await;
    assert_eq!(only(&sending.wait_for_effects(1).await).text.expose(), "Hello again");
}

on_every_combination!(mail_and_whatsapp_go_by_every_provider_that_carries_them);

async fn mail_and_whatsapp_go_by_every_provider_that_carries_them(combination: Combination) {
    let sending = Sending::on(combination).await;
    let mail = json!({ "channel": "email", "to": "ana@example.com", "tracking": false,
        "content": { "subject": "Hello {{ name }}", "html": "<p>Hello <b>{{ name }}</b></p>" },
        "variables": { "name": "Ana & Co" } });
    let whatsapp = json!({ "channel": "whatsapp", "to": ANA, "content": { "text": "Hello" } });
    for (count, (provider, played, body)) in [
        ("smtp", Provider::Smtp, &mail),
        ("sendgrid", Provider::SendGrid, &mail),
        ("resend", Provider::Resend, &mail),
        ("twilio", Provider::Twilio, &whatsapp),
        ("green_api", Provider::GreenApi, &whatsapp),
    ]
    .into_iter()
    .enumerate()
    {
        let credential = sending.good(provider);
        sending.route(body["channel"].as_str().unwrap(), &[&credential]);
        let id = sending.send(None, body).await;
        let ledger = sending.wait_for_effects(count + 1).await;
        let effect = ledger.effects().next_back().unwrap();
        assert_eq!(effect.provider, played, "{provider}");
        if let Some(subject) = &effect.subject {
            assert_eq!(subject.expose(), "Hello Ana & Co", "{provider}");
        }
        sending
            .wait_for_status(&id, &["accepted", "sending", "sent", "delivered"])
            .await;
        assert_eq!(sending.message(&id).await["provider"], provider);
    }
}

on_every_combination!(a_mail_that_may_have_gone_waits_for_a_person_who_sends_it_again);

async fn a_mail_that_may_have_gone_waits_for_a_person_who_sends_it_again(combination: Combination) {
    let sending = Sending::on(combination).await;
    let smtp = sending.good("smtp");
    sending.route("email", &[&smtp]);
    let lost = Fault::from(Misbehaviour::LostAnswer).times(1);
    sending
        .simulator
        .set_fault(lost.with(Selector::provider(Provider::Smtp)))
        .unwrap();
    let mail = json!({ "channel": "email", "to": "ana@example.com", "content": { "subject": "a", "text": "b" } });
    let id = sending.send(None, &mail).await;
    sending
        .app
        .wait_until("it waits for a person", async || sending.app.queues().dead == 1)
        .await;
    assert_eq!(sending.message(&id).await["status"], "unknown");
    for (status, expected) in [("unknown", json!([id])), ("queued", json!([]))] {
        let listed = sending.app.ask(&format!("/v1/messages?status={status}")).await;
        let ids: Value = listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["id"])
            .cloned()
            .collect();
        assert_eq!(ids, expected, "{status}");
    }
    assert_eq!(
        sending.simulator.ledger().effects().len(),
        1,
        "nothing is sent again by itself"
    );

    let dead = sending.app.relais(&["dead", "list"]);
    sending.app.worker(0).wait_for("Job is dead.").await;
    let output = sending.app.worker(0).output();
    let line = output.lines().find(|line| line.contains("Job is dead.")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&line["job.id"], &line["tenant"]),
        (&dead["items"][0]["id"], &json!(sending.app.tenant))
    );
    sending
        .app
        .relais(&["dead", "retry", dead["items"][0]["id"].as_str().unwrap()]);
    sending
        .wait_for_status(&id, &["accepted", "sending", "sent", "delivered"])
        .await;
    assert_eq!(sending.wait_for_effects(2).await.effects().len(), 2);
}

on_every_combination!(a_thousand_messages_come_in_at_once_and_each_is_answered);

async fn a_thousand_messages_come_in_at_once_and_each_is_answered(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let later = Utc::now() + TimeDelta::days(1);
    let mut messages: Vec<_> = (0..1000)
        .map(|number| {
            json!({ "channel": "sms", "to": ANA, "content": { "text": format!("Number {number}") },
                "scheduled_at": later })
        })
        .collect();
    messages[7]["to"] = json!("nobody");
    messages[8]["scheduled_at"] = Value::Null;
    let batch = json!({ "messages": messages });
    let first = sending.post("/v1/messages", Some("batch-1"), &batch).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{:?}", first.body);
    let items = first.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1000);
    assert_eq!(items[7]["error"]["code"], "unreadable");
    assert!(
        items
            .iter()
            .enumerate()
            .all(|(place, item)| place == 7 || item["duplicate"] == json!(false))
    );
    only(&sending.wait_for_first().await);

    let again = sending.post("/v1/messages", Some("batch-1"), &batch).await;
    let again = again.body["items"].as_array().unwrap();
    assert!((0..1000).all(|place| place == 7 || again[place]["id"] == items[place]["id"]));
    assert_eq!(sending.app.queues().scheduled, 998);
    assert_eq!(
        sending.message(items[0]["id"].as_str().unwrap()).await["status"],
        "scheduled"
    );
    sending.app.leaves(&["scheduled"]);
}

on_every_combination!(a_message_whose_job_is_cancelled_is_canceled_and_stays_known);

async fn a_message_whose_job_is_cancelled_is_canceled_and_stays_known(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let mut later = sms("Later");
    later["scheduled_at"] = json!((Utc::now() + TimeDelta::hours(1)).to_rfc3339());
    let asked = sending.post("/v1/messages", Some("order-77"), &later).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    let (id, job) = (asked.body["id"].as_str().unwrap(), asked.body["job"].as_str().unwrap());
    let cancelled = sending.app.relais(&["jobs", "cancel", job, "--by", "ann"]);
    assert_eq!(
        (&cancelled["outcome"], &cancelled["message_status"]),
        (&json!("removed"), &json!("canceled"))
    );
    assert_eq!(sending.message(id).await["status"], "canceled");
    // Whoever asks again learns of that message, and that it will not go.
    let again = sending.post("/v1/messages", Some("order-77"), &later).await;
    assert_eq!((again.status, &again.body["id"]), (StatusCode::ACCEPTED, &json!(id)));
    assert_eq!(sending.message(id).await["status"], "canceled");
    assert_eq!(sending.simulator.ledger().effects().len(), 0);
}

on_every_combination!(nobody_is_disturbed_in_quiet_hours_but_by_what_cannot_wait);

async fn nobody_is_disturbed_in_quiet_hours_but_by_what_cannot_wait(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let now = Utc::now();
    let clock = |hours: i64| (now + TimeDelta::hours(hours)).format("%H:%M").to_string();
    let hours = format!("{}-{}", clock(-1), clock(2));
    sending
        .app
        .relais(&["tenant", "set", &sending.app.tenant, "--quiet-hours", &hours]);
    let waits = sending.post("/v1/messages", None, &sms("Hello")).await.body;
    let mut critical = sms("The house is on fire");
    critical["class"] = json!("critical");
    let goes = sending.send(None, &critical).await;
    sending
        .wait_for_status(&goes, &["accepted", "sending", "sent", "delivered"])
        .await;
    sending
        .app
        .wait_until("the other waits", async || sending.app.queues().scheduled == 1)
        .await;
    let (id, job) = (waits["id"].as_str().unwrap(), waits["job"].as_str().unwrap());
    assert_eq!(sending.message(id).await["status"], "queued");
    assert_eq!(only(&sending.simulator.ledger()).text.expose(), "The house is on fire");
    let why = sending.app.relais(&["jobs", "why", job]);
    assert_eq!(why["reason"], "quiet_hours", "{why}");
    assert_eq!(sending.app.ask(&format!("/v1/jobs/{job}")).await["why"], why);
    // What the store does not answer takes nothing from what is known.
    let elsewhere = "ALTER TABLE circuits RENAME TO circuits_elsewhere";
    sending.app.execute(elsewhere).await;
    assert_eq!(sending.app.relais(&["jobs", "why", job]), why);
    assert_eq!(sending.app.ask(&format!("/v1/jobs/{job}")).await["why"], why);
    // Somebody may end the quiet hours.
    let again_at: DateTime<Utc> = why["again_at"].as_str().unwrap().parse().unwrap();
    assert!(again_at < now + TimeDelta::hours(1), "{why}");
    sending.app.leaves(&["scheduled"]);
}

on_every_combination!(a_template_is_written_in_versions_and_languages_and_rendered_strictly);

async fn a_template_is_written_in_versions_and_languages_and_rendered_strictly(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    for (language, text, version) in [
        ("en", "Hello {{ name }}", 1),
        ("fr", "Bonjour {{ name }}", 1),
        ("fr", "Salut {{ name }}", 2),
        ("fr", "Salut {{ name }}", 2),
    ] {
        let template = json!({ "name": "greeting", "language": language, "text": text });
        let written = sending.post("/v1/templates", None, &template).await;
        assert_eq!(
            (written.status, &written.body["version"]),
            (StatusCode::CREATED, &json!(version))
        );
    }
    let preview = "/v1/templates/greeting/preview";
    let shown = sending
        .post(
            preview,
            None,
            &json!({ "language": "fr", "variables": { "name": "Ana" } }),
        )
        .await;
    assert_eq!(shown.body["text"], "Salut Ana", "{shown:?}");
    let missing = sending.post(preview, None, &json!({ "language": "fr" })).await;
    assert_eq!(missing.body["code"], "variable_missing", "{missing:?}");
    let mut body = json!({ "channel": "sms", "to": ANA, "language": "fr", "template": { "name": "greeting", "version": 1 },
        "variables": { "nam": "Ana" } });
    let missing = sending.post("/v1/messages", None, &body).await;
    let told = (missing.status, &missing.body["code"]);
    assert_eq!(
        told,
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("variable_missing")),
        "{missing:?}"
    );
    assert!(
        missing.body["detail"].as_str().unwrap().contains("`name`"),
        "{missing:?}"
    );
    body["variables"] = json!({ "name": "Ana" });
    let id = sending.send(None, &body).await;
    assert_eq!(only(&sending.wait_for_effects(1).await).text.expose(), "Bonjour Ana");
    assert_eq!(sending.message(&id).await["template"], "greeting/1");
}

on_every_combination!(a_link_that_is_not_ours_leads_nowhere);

async fn a_link_that_is_not_ours_leads_nowhere(combination: Combination) {
    let sending = Sending::on(combination).await;
    for path in [
        "/t/o/k1.AAAA.AAAA",
        "/t/c/k1.AAAA.AAAA",
        "/t/c/https:%2F%2Fevil.example",
    ] {
        assert_eq!(sending.app.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

//! Scores over time, through the whole program: hot leads are told, weeks take their share once, what is old goes.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use chrono::{DateTime, Months, TimeDelta, Utc};
use domain::{
    Channel, EmailEvent, EmailEventRecord, Fingerprint, MessageClass, MessageId, OutgoingRecord, Recipient, TenantId,
};
use jobs::{DecayScores, FindHotLeads};
use providers::Request;
use providers::standard_webhooks::StandardVerifier;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::app::{Combination, Event, TestApp, on_every_combination};
use crate::dead_letters::add;

const INSTALLATION: Uuid = Uuid::nil();

/// What was posted to a tenant's system.
#[derive(Clone)]
struct Told {
    headers: HeaderMap,
    body: Bytes,
}

/// A tenant's own system, which answers with these, one after the other, the last one from then on; each with this
/// `Retry-After`.
#[derive(Clone)]
struct Crm {
    answers: Arc<Mutex<Vec<u16>>>,
    retry_after: Option<&'static str>,
    told: Arc<Mutex<Vec<Told>>>,
    /// Nobody is answered before it lets them.
    door: Arc<Semaphore>,
}

async fn hear(State(crm): State<Crm>, headers: HeaderMap, body: Bytes) -> Response {
    drop(crm.door.acquire().await.unwrap());
    let said = repeated(&headers, &body);
    crm.told.lock().unwrap().push(Told { headers, body });
    let retry_after = crm.retry_after.map(|wait| [(RETRY_AFTER, wait)]);
    let mut answers = crm.answers.lock().unwrap();
    let answer = if answers.len() > 1 {
        answers.remove(0)
    } else {
        answers[0]
    };
    (StatusCode::from_u16(answer).unwrap(), retry_after, said).into_response()
}

/// What a system may say that was never meant to be seen: all that it was told, and whom to ask.
fn repeated(headers: &HeaderMap, body: &Bytes) -> String {
    let (signature, body) = (
        headers["webhook-signature"].to_str().unwrap(),
        String::from_utf8_lossy(body),
    );
    format!("Cannot POST https://crm.example.com/leads: {signature} of {body}; ask ana@example.com or +1 202-555-0143")
}

impl Crm {
    /// Starts it; answers it and where it is.
    async fn start(answers: &[u16]) -> (Self, String) {
        Self::start_with(answers, None, 1).await
    }

    async fn start_with(answers: &[u16], retry_after: Option<&'static str>, permits: usize) -> (Self, String) {
        let crm = Self {
            answers: Arc::new(Mutex::new(answers.to_vec())),
            retry_after,
            told: Arc::default(),
            door: Arc::new(Semaphore::new(permits)),
        };
        let router = Router::new()
            .route("/crm.example.com/leads", post(hear))
            .with_state(crm.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        (crm, url)
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }
}

/// An installation whose tenant calls leads hot from 8 on and is told so; answers it, and what is signed with.
async fn told_by(combination: Combination, crm: &str) -> (TestApp, SecretString) {
    let stand_ins = json!({ "hooks": crm }).to_string();
    let setup = TestApp::on(combination).with("RELAIS_STAND_INS", stand_ins);
    let app = setup.start().await;
    let hook = ["--webhook", "https://crm.example.com/leads", "--hot-from", "8"];
    let set = [&["scoring", "set", "--tenant", &app.tenant][..], &hook].concat();
    let secret = app.relais(&set)["webhook_secret"].as_str().unwrap().to_owned();
    (app, secret.into())
}

/// Looks for hot leads, as the clock has it done every minute.
async fn find(app: &TestApp, tick: i64) {
    add(app, &FindHotLeads { tick }, &INSTALLATION.to_string()).await;
}

on_every_combination!(
    a_hot_lead_is_told_signed_until_it_is_taken_and_under_one_name,
    a_hot_lead_whose_address_is_gone_is_a_dead_letter_and_can_be_told_again,
    an_address_that_wants_to_be_asked_again_at_once_is_asked_after_the_back_off_and_uses_up_attempts,
    an_address_that_answers_nobody_holds_up_two_at_a_time_unless_an_operator_says_otherwise,
    what_operators_change_or_begin_is_written_down_with_who_asked,
    a_week_takes_its_share_once_whoever_asks_and_however_often,
    what_is_old_is_counted_first_and_goes_when_it_is_asked_for,
    hot_leads_say_why_and_rules_are_refused_by_name,
);

async fn a_hot_lead_is_told_signed_until_it_is_taken_and_under_one_name(combination: Combination) {
    let (crm, url) = Crm::start(&[500, 204]).await;
    let (app, secret) = told_by(combination, &url).await;
    app.post_event(&Event::new("ana", "m-1", "clicked")).await;
    app.wait_until("the click is worth 8", async || app.lead_score("ana").await == Some(8))
        .await;
    // Two clocks, and one that asks again.
    for tick in [60, 61, 120] {
        find(&app, tick).await;
    }
    app.wait_until("it was taken", async || crm.told().len() >= 2).await;
    app.wait_until_idle().await;
    let told = crm.told();
    assert_eq!(
        told.len(),
        2,
        "the first was refused, the second taken, and nothing more"
    );
    assert_eq!(told[0].headers["webhook-id"], told[1].headers["webhook-id"]);
    assert_eq!(told[0].body, told[1].body);
    let verifier = StandardVerifier::new([&secret]).unwrap();
    for told in &told {
        let request = Request {
            method: "POST",
            url: "https://crm.example.com/leads",
            headers: &told.headers,
            body: &told.body,
            received_at: Utc::now(),
        };
        verifier.verify(&request).unwrap();
    }
    let said: Value = serde_json::from_slice(&told[0].body).unwrap();
    assert_eq!((&said["type"], &said["data"]["score"]), (&json!("lead.hot"), &json!(8)));
    assert_eq!(said["data"]["person_id"], "ana");
    let inbox = app.ask("/v1/interactions").await;
    let work = inbox["items"].as_array().unwrap();
    let hot: Vec<_> = work.iter().filter(|work| work["reason"] == "hot_lead").collect();
    assert_eq!(hot.len(), 1);
    assert_eq!(hot[0]["contact_id"], said["data"]["contact_id"]);
}

async fn a_hot_lead_whose_address_is_gone_is_a_dead_letter_and_can_be_told_again(combination: Combination) {
    let (crm, url) = Crm::start(&[410, 200]).await;
    let (app, secret) = told_by(combination, &url).await;
    app.post_event(&Event::new("ana", "m-1", "clicked")).await;
    app.wait_until_idle().await;
    find(&app, 60).await;
    app.wait_until("it is a dead letter", async || app.queues().dead == 1)
        .await;
    let letters = app.relais(&["dead", "list"]);
    let letter = &letters["items"][0];
    assert_eq!(
        (&letter["kind"], &letter["reason"]),
        (&json!("tell_hot_lead"), &json!("refused"))
    );
    let shown = app.relais(&["dead", "show", letter["id"].as_str().unwrap()]);
    tells_nothing_of_where_it_went(&shown["errors"][0], &crm.told()[0], &secret);
    app.relais(&["dead", "retry", letter["id"].as_str().unwrap()]);
    app.wait_until("it was told", async || crm.told().len() == 2).await;
    app.wait_until_idle().await;
    assert_eq!(app.queues().dead, 0);
}

/// What is kept of a call that was refused says how, and repeats nothing.
fn tells_nothing_of_where_it_went(failure: &Value, told: &Told, secret: &SecretString) {
    assert_eq!(failure["request"], "POST {webhook} (data, timestamp, type)");
    let response = failure["response"].as_str().unwrap();
    assert!(response.starts_with("410 Gone\n"), "{response}");
    assert!(response.contains("Cannot POST"), "{response}");
    let body: Value = serde_json::from_slice(&told.body).unwrap();
    let signature = told.headers["webhook-signature"].to_str().unwrap();
    let contact = body["data"]["contact_id"].as_str().unwrap();
    let repeated = [
        "crm",
        "leads",
        "ana",
        "202-555-0143",
        signature,
        contact,
        secret.expose_secret(),
    ];
    for part in repeated {
        assert!(!response.contains(part), "{part}: {response}");
    }
}

async fn an_address_that_wants_to_be_asked_again_at_once_is_asked_after_the_back_off_and_uses_up_attempts(
    combination: Combination,
) {
    let (crm, url) = Crm::start_with(&[503], Some("0"), 1).await;
    let (app, _) = told_by(combination, &url).await;
    app.post_event(&Event::new("ana", "m-1", "clicked")).await;
    app.wait_until_idle().await;
    find(&app, 60).await;
    app.wait_until("it was asked twice", async || crm.told().len() >= 2)
        .await;
    app.wait_until("it waits again", async || app.queues().scheduled == 1)
        .await;
    let jobs = app.relais(&["jobs", "list"]);
    let job = &jobs["items"][0];
    let (asked, attempts) = (crm.told().len(), job["attempts"].as_u64().unwrap());
    assert_eq!(u64::try_from(asked).unwrap(), attempts, "{job}");
    app.leaves(&["scheduled"]);
}

async fn an_address_that_answers_nobody_holds_up_two_at_a_time_unless_an_operator_says_otherwise(
    combination: Combination,
) {
    let (crm, url) = Crm::start_with(&[204], None, 0).await;
    let (app, _) = told_by(combination, &url).await;
    let clicks = (0..6).map(|person| Event::new(&format!("p{person}"), &format!("m-{person}"), "clicked"));
    app.post_all(clicks).await;
    app.wait_until_idle().await;
    find(&app, 60).await;
    let key = format!("webhook:{}", app.tenant);
    let limit = || {
        let limits = app.relais(&["limits"]);
        let items = limits["items"].as_array().unwrap().clone();
        items.into_iter().find(|limit| limit["key"] == key.as_str())
    };
    app.wait_until("two wait for an answer", async || {
        limit().is_some_and(|limit| limit["running"] == 2)
    })
    .await;
    let found = limit().unwrap();
    assert_eq!((&found["queue"], &found["concurrency"]), (&json!("bulk"), &json!(2)));
    let command = ["limits", "set", &key, "--queue", "bulk", "--concurrency", "6"];
    app.relais(&command);
    crm.door.add_permits(1);
    app.wait_until("all are told", async || crm.told().len() >= 6).await;
    app.wait_until_idle().await;
    app.post_event(&Event::new("late", "m-late", "clicked")).await;
    app.wait_until_idle().await;
    find(&app, 120).await;
    app.wait_until("one more is told", async || crm.told().len() >= 7).await;
    app.wait_until_idle().await;
    assert_eq!(limit().unwrap()["concurrency"], 6);
}

async fn what_operators_change_or_begin_is_written_down_with_who_asked(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    let latest = |which: &[&str]| {
        let list = [&["audit", "list", "--limit", "1"][..], which].concat();
        app.relais(&list)["items"][0].clone()
    };
    let of_tenant = ["--tenant", &app.tenant];
    app.relais(&["tenant", "set", &app.tenant, "--digest-over", "7", "--by", "ann"]);
    let entry = latest(&of_tenant);
    assert_eq!(entry["action"], "tenant_changed");
    assert!(entry["actor"].to_string().contains("ann"), "{entry}");
    assert_eq!(
        (&entry["before"]["digest_over"], &entry["after"]["digest_over"]),
        (&json!(3), &json!(7))
    );
    app.relais(&["retention", "--yes", "--by", "ben"]);
    let entry = latest(&[]);
    assert_eq!(entry["action"], "retention_begun");
    assert!(entry["actor"].to_string().contains("ben"), "{entry}");
    app.wait_until_idle().await;

    // What changes nothing is not understood, and written down nowhere.
    let before = latest(&of_tenant);
    for (command, option) in [
        (&["tenant", "set", &app.tenant, "--by", "ann"][..], "--digest-over"),
        (
            &["scoring", "set", "--tenant", &app.tenant, "--by", "ann"],
            "--first-open",
        ),
    ] {
        let (status, error) = app.refused(command);
        assert_eq!(status, Some(2), "{error}");
        assert!(error.contains(option), "{error}");
    }
    assert_eq!(latest(&of_tenant), before);
}

/// Somebody's first click in a message: 8 points.
fn clicked(person: &str, message: &str, at: DateTime<Utc>) -> EmailEventRecord {
    EmailEventRecord {
        provider: "sendgrid".into(),
        external_id: message.into(),
        kind: EmailEvent::Clicked,
        identity: message.into(),
        occurred_at: at,
        recipient: None,
        subject: None,
        person_id: Some(person.into()),
        organisation_id: None,
        url: None,
    }
}

async fn a_week_takes_its_share_once_whoever_asks_and_however_often(combination: Combination) {
    let app = TestApp::on(combination).workers(2).start().await;
    let (store, tenant) = (app.store().await, app.tenant.parse::<TenantId>().unwrap());
    let last_week = Utc::now() - TimeDelta::weeks(1);
    let endpoint = app.endpoint.parse().unwrap();
    for person in 0..30 {
        let event = clicked(&format!("p{person}"), &format!("m{person}"), last_week);
        store
            .record_email_event(tenant, endpoint, &event, last_week)
            .await
            .unwrap();
    }
    for tick in 0..6 {
        add(&app, &DecayScores { tick }, &INSTALLATION.to_string()).await;
    }
    app.wait_until_idle().await;
    let leads = app.ask("/v1/leads/hot?limit=100").await;
    let leads = leads["items"].as_array().unwrap();
    assert_eq!(leads.len(), 30);
    for lead in leads {
        assert_eq!(lead["score"], 7, "{lead}");
    }
}

/// A message that was begun at that moment.
async fn begin(app: &TestApp, request: &str, at: DateTime<Utc>) -> MessageId {
    let tenant: TenantId = app.tenant.parse().unwrap();
    let message = OutgoingRecord {
        id: MessageId::of_request(tenant, request),
        fingerprint: Fingerprint([7; 32]),
        channel: Channel::Sms,
        recipient: Recipient::try_from("+33612345678".to_owned()).unwrap(),
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
    app.store().await.begin_message(tenant, &message, at).await.unwrap();
    message.id
}

async fn what_is_old_is_counted_first_and_goes_when_it_is_asked_for(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    let now = Utc::now();
    let young = begin(&app, "young", now - Months::new(17)).await;
    for number in 0..3 {
        begin(&app, &number.to_string(), now - Months::new(19)).await;
    }
    hot_long_ago(&app, now).await;
    let dry = app.relais(&["retention", "--dry-run"]);
    for (kind, count) in [("messages", 3), ("crossings", 60)] {
        let due = json!({ "tenant": app.tenant, "kind": kind, "count": count });
        assert!(dry["items"].as_array().unwrap().contains(&due), "{dry}");
    }
    assert_eq!(
        app.refused(&["retention"]).0,
        Some(1),
        "nothing goes that nobody asked for"
    );
    let own = "/v1/messages?limit=100";
    let ours = |messages: &Value| {
        let all = messages["items"].as_array().unwrap().clone();
        all.into_iter()
            .filter(|message| message["channel"] == "sms")
            .collect::<Vec<_>>()
    };
    assert_eq!(ours(&app.ask(own).await).len(), 4);

    app.relais(&["retention", "--yes"]);
    app.wait_until_idle().await;
    let left = ours(&app.ask(own).await);
    let left: Vec<_> = left.iter().map(|message| &message["id"]).collect();
    assert_eq!(left, [&json!(young)]);
    let counted = [
        "relais_retention_total{kind=\"messages\"} 3",
        "relais_retention_total{kind=\"crossings\"} 60",
    ];
    app.wait_until("what went is counted", async || {
        let told = app.get("/metrics").await.body;
        let told = told.as_str().unwrap_or_default();
        counted.iter().all(|counted| told.contains(counted))
    })
    .await;
}

/// Sixty leads became hot a hundred days ago, and were told; more than go in one step.
async fn hot_long_ago(app: &TestApp, now: DateTime<Utc>) {
    let (store, tenant) = (app.store().await, app.tenant.parse::<TenantId>().unwrap());
    app.relais(&["scoring", "set", "--tenant", &app.tenant, "--hot-from", "8"]);
    let (then, endpoint) = (now - TimeDelta::days(100), app.endpoint.parse().unwrap());
    for person in 0..60 {
        let event = clicked(&format!("p{person}"), &format!("old-{person}"), then);
        store.record_email_event(tenant, endpoint, &event, then).await.unwrap();
    }
    let waiting = store.crossings_waiting(100).await.unwrap();
    let waiting: Vec<_> = waiting.into_iter().map(|(_, crossing)| crossing).collect();
    store.crossings_handed(&waiting, then).await.unwrap();
}

async fn hot_leads_say_why_and_rules_are_refused_by_name(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    let scoring = app.ask("/v1/leads/scoring").await;
    assert_eq!(
        (&scoring["weights"]["bounce"], &scoring["decay_percent"]),
        (&json!(-10), &json!(10))
    );
    assert_eq!(
        (&scoring["hot_from"], &scoring["webhook_host"]),
        (&Value::Null, &Value::Null)
    );
    let set = |options: &[&str]| {
        [&["scoring", "set", "--tenant", &app.tenant][..], options]
            .concat()
            .join(" ")
    };
    for (options, named) in [
        (
            ["--first-open", "1001"],
            "--first-open must be a whole number from 0 to 1000",
        ),
        (["--first-open", "-1"], "--first-open must be a whole number from 0"),
        (["--repeated-click", "-1"], "--repeated-click must be"),
        (["--bounce", "1"], "--bounce must be a whole number from -1000 to 0"),
        (["--decay", "101"], "--decay must be a whole number from 0 to 100"),
        (["--decay", "-1"], "--decay must be"),
        (["--hot-from", "0"], "--hot-from must be"),
        (["--hot-from", "-5"], "--hot-from must be"),
        (
            ["--webhook", "https://192.168.0.1/x"],
            "--webhook is an https address on the public internet",
        ),
    ] {
        let asked = set(&options);
        let arguments: Vec<_> = asked.split(' ').collect();
        let (status, error) = app.refused(&arguments);
        assert_eq!(status, Some(1), "{options:?}");
        assert!(error.contains(named), "{error}");
    }
    let asked = set(&["--first-click", "20", "--bounce", "-4"]);
    app.relais(&asked.split(' ').collect::<Vec<_>>());
    for (event, expected) in [("clicked", 20), ("opened", 23), ("bounced", 19)] {
        app.post_event(&Event::new("ana", "m-1", event)).await;
        app.wait_until("it counts", async || app.lead_score("ana").await == Some(expected))
            .await;
    }
    let leads = app.ask("/v1/leads/hot").await;
    let lead = &leads["items"][0];
    assert_eq!(lead["trend"], 19);
    let reasons = json!([
        { "reason": "first_click", "points": 20, "count": 1 },
        { "reason": "bounce", "points": -4, "count": 1 },
        { "reason": "first_open", "points": 3, "count": 1 },
    ]);
    assert_eq!(lead["reasons"], reasons);
    assert_eq!(app.ask("/v1/leads/scoring").await["weights"]["first_click"], 20);
}

//! An operator retries or deletes many dead letters at once: a few first, at a rate, with every failure listed, and also
//! if the worker that does it is killed.

use queue::backend::{BATCH_MAX, ClaimRequest, Outcome, Reason};
use queue::clock::{DAY_MS, millis};
use queue::grouping::GroupId;
use queue::{Attempt, Backoff, Clock, Job, JobError, LEASE, Origin, Policy, Queue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use uuid::Uuid;

use crate::app::{Combination, Event, TestApp, on_every_combination, shortest_lease};

/// Under the name of a kind that workers know, with a payload that none of them can read: it dies whenever it runs.
#[derive(Serialize, Deserialize)]
struct Garbled {
    number: u32,
}

impl Job for Garbled {
    type Ctx = ();
    const KIND: &'static str = "record_email_event";
    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: 1,
        backoff: Backoff {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(1),
        },
        timeout: Duration::from_secs(1),
        expires: None,
    };

    fn unique(&self) -> String {
        format!("garbled {}", self.number)
    }

    async fn run(self, (): &(), _: &Attempt) -> Result<(), JobError> {
        Ok(())
    }
}

on_every_combination!(
    letters_of_a_group_run_again_once_and_those_that_die_again_are_listed,
    a_canary_that_fails_leaves_the_other_letters_alone,
    an_action_is_paused_resumed_and_cancelled_by_an_operator,
    a_worker_killed_in_the_middle_of_an_action_skips_no_letter_and_counts_none_twice,
);

async fn garble(app: &TestApp, count: u32) -> BTreeSet<String> {
    let client = app.client();
    let origin = Origin {
        tenant: app.tenant.parse().unwrap(),
        correlation: Uuid::new_v4(),
    };
    let mut ids = BTreeSet::new();
    for number in 0..count {
        ids.insert(client.add(&Garbled { number }, origin).await.unwrap().job.to_string());
    }
    ids
}

/// Lets everything that waits die of the same thing, as if by workers of a version with a fault.
async fn kill_all(app: &TestApp) {
    let queue = app.queue();
    let now = Clock::System.now();
    loop {
        let request = ClaimRequest {
            queue: Queue::Default,
            lane: 0,
            want: BATCH_MAX,
            session: Uuid::new_v4(),
            until: now + millis(LEASE),
            now,
        };
        let claims = queue.claim(&request).await.unwrap();
        let Some(claim) = claims.jobs.first().map(|job| job.ticket.claim) else {
            return;
        };
        let today = i32::try_from(now / DAY_MS).unwrap();
        let died = |number| Outcome::Dead {
            reason: Reason::Refused,
            error: Some(format!("no room at {number}")),
        };
        let settles: Vec<_> = (1..)
            .zip(&claims.jobs)
            .map(|(number, job)| job.ended(today, died(number)))
            .collect();
        queue.settle(Queue::Default, &settles, &[claim], now).await.unwrap();
    }
}

fn group() -> String {
    GroupId::of(Garbled::KIND, Reason::Refused, "no room at <n>").to_string()
}

async fn ended(app: &TestApp, id: &str) -> Value {
    let show = || app.relais(&["bulk", "show", id, "--limit", "500"]);
    let has_ended = async || ["done", "stopped", "cancelled"].contains(&show()["state"].as_str().unwrap());
    app.wait_until("the action has ended", has_ended).await;
    show()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

async fn letters_of_a_group_run_again_once_and_those_that_die_again_are_listed(combination: Combination) {
    const EVENTS: u32 = 40;
    let mut app = TestApp::on(combination).workers(0).start().await;
    app.leaves(&["dead"]);
    app.post_all((0..EVENTS).map(|number| Event::new("ana", &format!("m-{number}"), "opened")))
        .await;
    let garbled = garble(&app, 3).await;
    kill_all(&app).await;
    app.start_worker().await;

    let group = group();
    let counted = app.relais(&["dead", "retry", "--group", &group, "--preview"]);
    assert_eq!(
        (&counted["matched"], &counted["groups"][0]["error"]),
        (&json!(43), &json!("no room at <n>"))
    );
    assert_eq!(app.queues().dead, 43, "nothing was done");

    let begun = app.relais(&["dead", "retry", "--group", &group, "--yes", "--by", "ann"]);
    assert_eq!((&begun["action"], &begun["asked_by"]), (&json!("retry"), &json!("ann")));
    let ended = ended(&app, &text(&begun["id"])).await;
    let figures = ["matched", "done", "ended", "failed"].map(|name| ended[name].as_u64().unwrap());
    assert_eq!((&ended["state"], figures), (&json!("done"), [43, 43, 40, 3]));
    let failures = ended["failures"].as_array().unwrap();
    assert_eq!(
        failures
            .iter()
            .map(|failure| text(&failure["job"]))
            .collect::<BTreeSet<_>>(),
        garbled
    );
    assert!(text(&failures[0]["reason"]).starts_with("unreadable: "), "{failures:?}");
    assert_eq!(
        app.lead_score("ana").await,
        Some(3 * i64::from(EVENTS)),
        "each counts once"
    );
    assert_eq!(app.relais(&["bulk", "list"])["items"][0]["id"], ended["id"]);

    let deleted = app.relais(&["dead", "delete", "--kind", Garbled::KIND, "--yes", "--wait"]);
    assert_eq!((&deleted["state"], &deleted["done"]), (&json!("done"), &json!(3)));
    assert_eq!(app.queues().dead, 0);
}

async fn a_canary_that_fails_leaves_the_other_letters_alone(combination: Combination) {
    let mut app = TestApp::on(combination).workers(0).start().await;
    app.leaves(&["dead"]);
    garble(&app, 30).await;
    kill_all(&app).await;
    app.start_worker().await;
    let begun = app.relais(&["dead", "retry", "--kind", Garbled::KIND, "--canary", "4", "--yes"]);
    let ended = ended(&app, &text(&begun["id"])).await;
    assert_eq!(
        (&ended["state"], &ended["done"], &ended["failed"]),
        (&json!("stopped"), &json!(4), &json!(4)),
        "{ended}"
    );
    let untouched = app.relais(&["dead", "list", "--reason", "refused", "--limit", "100"]);
    assert_eq!(untouched["items"].as_array().unwrap().len(), 26);
}

async fn an_action_is_paused_resumed_and_cancelled_by_an_operator(combination: Combination) {
    let mut app = TestApp::on(combination).workers(0).start().await;
    app.leaves(&["dead"]);
    garble(&app, 30).await;
    kill_all(&app).await;
    let begun = app.relais(&["dead", "delete", "--all", "--rate", "2/s", "--yes"]);
    let id = text(&begun["id"]);
    let paused = app.relais(&["bulk", "pause", &id, "--by", "bob"]);
    assert_eq!(
        (&paused["state"], &paused["changed_by"]),
        (&json!("paused"), &json!("bob"))
    );
    app.start_worker().await;
    app.wait_until("its job has found it paused", async || app.queues().is_idle())
        .await;
    assert_eq!(app.queues().dead, 30);

    let resumed = app.relais(&["bulk", "resume", &id]);
    assert_eq!(resumed["state"], "running");
    let done = || app.relais(&["bulk", "show", &id])["done"].as_u64().unwrap();
    app.wait_until("it goes on", async || done() >= 2).await;
    assert_eq!(app.relais(&["bulk", "cancel", &id])["state"], "cancelled");
    app.wait_until_idle().await;
    assert_eq!(app.queues().dead, 30 - done());
    assert!(done() < 30, "it was cancelled before its end");
}

async fn a_worker_killed_in_the_middle_of_an_action_skips_no_letter_and_counts_none_twice(combination: Combination) {
    const EVENTS: u32 = 200;
    let mut app = TestApp::on(combination)
        .workers(0)
        .with("JOB_LEASE", shortest_lease())
        .start()
        .await;
    app.post_all((0..EVENTS).map(|number| Event::new("ana", &format!("m-{number}"), "opened")))
        .await;
    kill_all(&app).await;
    let killed = app.start_worker().await;
    let begun = app.relais(&["dead", "retry", "--all", "--rate", "100/s", "--yes"]);
    let id = text(&begun["id"]);
    let done = || app.relais(&["bulk", "show", &id])["done"].as_u64().unwrap();
    app.wait_until("some were retried", async || done() > 0).await;
    app.worker(killed).kill();
    assert!(
        done() < u64::from(EVENTS),
        "nothing was left to do when the worker was killed"
    );

    app.start_worker().await;
    let ended = ended(&app, &id).await;
    let figures = ["done", "ended", "failed"].map(|name| ended[name].as_u64().unwrap());
    assert_eq!(
        (&ended["state"], figures),
        (&json!("done"), [u64::from(EVENTS), u64::from(EVENTS), 0])
    );
    assert_eq!(app.lead_score("ana").await, Some(3 * i64::from(EVENTS)));
}

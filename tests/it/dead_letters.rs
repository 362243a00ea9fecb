//! What cannot be done is found, understood and run again by an operator, and none of it runs hot meanwhile.

use queue::{Attempt, Backoff, Job, JobError, Origin, Policy, Queue};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

use crate::app::{Combination, Event, Jobs, TestApp, on_every_combination};

/// Under the name of a kind that workers know, with a payload that none of them can read.
#[derive(Serialize, Deserialize)]
pub(crate) struct Garbled {
    pub(crate) endpoint: String,
    pub(crate) event: u8,
}

/// A kind of another version of the program.
#[derive(Serialize, Deserialize)]
struct OfAnotherVersion {
    number: u8,
}

const POLICY: Policy = Policy {
    queue: Queue::Default,
    attempts: 3,
    backoff: Backoff {
        first: Duration::from_secs(1),
        cap: Duration::from_secs(1),
    },
    timeout: Duration::from_secs(1),
    expires: None,
};

impl Job for Garbled {
    type Ctx = ();
    const KIND: &'static str = "record_email_event";
    const POLICY: Policy = POLICY;

    fn unique(&self) -> String {
        "garbled".into()
    }

    async fn run(self, (): &(), _: &Attempt) -> Result<(), JobError> {
        Ok(())
    }
}

impl Job for OfAnotherVersion {
    type Ctx = ();
    const KIND: &'static str = "of_another_version";
    const POLICY: Policy = POLICY;

    fn unique(&self) -> String {
        self.number.to_string()
    }

    async fn run(self, (): &(), _: &Attempt) -> Result<(), JobError> {
        Ok(())
    }
}

/// Adds a job of a tenant's past the intake; answers its id.
pub(crate) async fn add<J: Job>(app: &TestApp, job: &J, tenant: &str) -> String {
    let origin = Origin {
        tenant: tenant.parse().unwrap(),
        correlation: Uuid::new_v4(),
    };
    app.client().add(job, origin).await.unwrap().job.to_string()
}

/// Lets other work through, so that whatever runs hot would have run many times.
async fn work_goes_on(app: &TestApp, round: &str) {
    let events = (0..50).map(|number| Event::new("ana", &format!("{round}-{number}"), "sent"));
    app.post_all(events).await;
    app.wait_until_idle().await;
    // Counters come once a second: after the next one, everything that happened before is counted. The first to come may have
    // been under way already.
    for count in ["the count under way", "the next count"] {
        let counted = app.counted("done").await;
        app.post_event(&Event::new("ana", &format!("{round}, {count}"), "sent"))
            .await;
        app.wait_until(count, async || app.counted("done").await > counted)
            .await;
    }
}

on_every_combination!(
    what_cannot_be_read_is_a_dead_letter_that_can_be_run_again,
    a_kind_that_no_worker_knows_is_parked,
    a_job_that_keeps_failing_waits_longer_each_time,
);

async fn what_cannot_be_read_is_a_dead_letter_that_can_be_run_again(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    app.leaves(&["dead"]);
    let garbled = Garbled {
        endpoint: "none".into(),
        event: 7,
    };
    let id = add(&app, &garbled, &app.tenant).await;
    app.wait_until("it is dead", async || app.queues().dead == 1).await;

    let list = app.relais(&["dead", "list"]);
    assert_eq!(
        (list["items"].as_array().unwrap().len(), &list["next_cursor"]),
        (1, &json!(null))
    );
    let item = &list["items"][0];
    let expected = json!({
        "id": id, "kind": "record_email_event", "queue": "default", "tenant": app.tenant, "reason": "unreadable",
        "attempts": 1,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&item[field], value, "{field}");
    }
    assert!(item["died_at"].is_string());

    let shown = app.relais(&["dead", "show", &id, "--reveal"]);
    assert_eq!(shown["payload"], serde_json::to_value(&garbled).unwrap());
    let error = shown["errors"][0]["error"].as_str().unwrap();
    assert!(error.contains("payload"), "{error}");
    work_goes_on(&app, "first").await;
    assert_eq!(app.counted("dead").await, 1, "it died once and lay still");

    assert_eq!(
        app.relais(&["dead", "retry", &id]),
        json!({ "retried": 1, "missing": [] })
    );
    let died_at = item["died_at"].clone();
    app.wait_until("it died again", async || {
        let list = app.relais(&["dead", "list"]);
        list["items"][0]["died_at"].is_string() && list["items"][0]["died_at"] != died_at
    })
    .await;
    work_goes_on(&app, "second").await;
    assert_eq!(app.counted("dead").await, 2, "it ran once more, not again and again");
    assert_eq!(
        app.queues(),
        Jobs {
            dead: 1,
            ..Jobs::default()
        }
    );
}

async fn a_kind_that_no_worker_knows_is_parked(combination: Combination) {
    let mut app = TestApp::on(combination).start().await;
    app.leaves(&["parked"]);
    let id = add(&app, &OfAnotherVersion { number: 1 }, &app.tenant).await;
    app.wait_until("it is parked", async || app.queues().parked == 1).await;
    let job = app.relais(&["jobs", "show", &id]);
    assert_eq!(
        (&job["gate"], &job["attempts"]),
        (&json!("kind:of_another_version"), &json!(0))
    );
    assert_eq!(app.relais(&["jobs", "why", &id])["reason"], "parked");

    // A second worker does not know it either.
    app.start_worker().await;
    work_goes_on(&app, "any").await;
    assert_eq!(app.counted("parked").await, 1, "it was tried once and lies still");
    assert_eq!(
        app.queues(),
        Jobs {
            parked: 1,
            ..Jobs::default()
        }
    );
}

/// An event of a tenant that is gone: its handler fails however often it is run.
async fn a_job_that_keeps_failing_waits_longer_each_time(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    let event = json!({
        "provider": "sendgrid", "external_id": "m-1", "kind": "opened", "identity": "0f3a",
        "occurred_at": "2026-01-02T03:04:05Z",
    });
    let job = Orphan {
        endpoint: app.endpoint.clone(),
        event,
    };
    let id = add(&app, &job, &Uuid::from_u128(9).to_string()).await;
    app.wait_until("it failed three times", async || app.counted("retried").await >= 3)
        .await;
    let job = app.relais(&["jobs", "show", &id]);
    let attempts = job["attempts"].as_u64().unwrap();
    assert!(
        attempts <= 4,
        "half of 1, 2 and 4 seconds must pass before the fourth: {job}"
    );
    assert_eq!(
        job["errors"].as_array().unwrap().len(),
        usize::try_from(attempts).unwrap()
    );
    app.relais(&["jobs", "cancel", &id]);
}

/// Every other test relies on it.
#[tokio::test]
#[should_panic(expected = "the test leaves jobs behind")]
async fn a_test_that_leaves_a_dead_letter_without_saying_so_fails() {
    let app = TestApp::on(Combination::Sqlite).start().await;
    let garbled = Garbled {
        endpoint: "none".into(),
        event: 7,
    };
    add(&app, &garbled, &app.tenant).await;
    app.wait_until("it is dead", async || app.queues().dead == 1).await;
}

/// What intake would have added.
#[derive(Serialize, Deserialize)]
struct Orphan {
    endpoint: String,
    event: serde_json::Value,
}

impl Job for Orphan {
    type Ctx = ();
    const KIND: &'static str = "record_email_event";
    const POLICY: Policy = POLICY;

    fn unique(&self) -> String {
        "orphan".into()
    }

    async fn run(self, (): &(), _: &Attempt) -> Result<(), JobError> {
        Ok(())
    }
}

//! An operator stops a kind, a tenant, a queue or one worker, is told why nothing runs, and lets it flow again.

use serde_json::Value;
use testkit::process::Signal;

use crate::app::{Combination, Event, TestApp, on_every_combination};

on_every_combination!(
    a_paused_kind_is_set_aside_and_flows_when_it_is_resumed,
    a_quiet_worker_claims_nothing_until_it_is_resumed,
    a_tenant_asks_why_its_job_waits,
    a_job_that_nobody_would_run_says_so_before_a_worker_meets_it,
);

async fn accepted(app: &TestApp, external_id: &str) -> String {
    let answer = app.post_event(&Event::new("ana", external_id, "opened")).await;
    answer.body["job"].as_str().unwrap().to_owned()
}

fn why(app: &TestApp, job: &str) -> Value {
    app.relais(&["jobs", "why", job])
}

async fn a_paused_kind_is_set_aside_and_flows_when_it_is_resumed(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    let nobody = "00000000-0000-0000-0000-00000000000f";
    for (what, name) in [("kind", "record_email_evnet"), ("tenant", nobody), ("worker", nobody)] {
        assert_eq!(app.relais(&["pause", what, name])["known"], false, "{what}");
        app.relais(&["resume", what, name]);
    }
    for (what, name) in [("kind", "record_email_event"), ("tenant", app.tenant.as_str())] {
        let paused = app.relais(&["pause", what, name, "--by", "ann"]);
        assert_eq!((&paused[what], &paused["by"]), (&name.into(), &"ann".into()));
        assert_eq!(paused["known"], true);
        // A worker hears of it within a second or two; until then it may still run what comes.
        let parked = async || {
            let job = accepted(&app, &format!("{what} {}", uuid::Uuid::new_v4())).await;
            let gone = async || why(&app, &job)["reason"] == "ended" || app.queues().parked > 0;
            app.wait_until("it runs or is set aside", gone).await;
            app.queues().parked > 0
        };
        app.wait_until("a job is set aside", parked).await;
        let job = app.relais(&["jobs", "list", "--state", "parked"])["items"][0]["id"].clone();
        let reason = why(&app, job.as_str().unwrap());
        assert_eq!(
            (&reason["reason"], &reason["by"]),
            (&"paused".into(), &"ann".into()),
            "{reason}"
        );
        assert_eq!(app.relais(&["queues"])["pauses"][0][what], name);
        app.relais(&["resume", what, name]);
        let done = async || why(&app, job.as_str().unwrap())["reason"] == "ended";
        app.wait_until("it flows again", done).await;
    }
    assert_eq!(app.relais(&["queues"])["pauses"], Value::Array(Vec::new()));
}

async fn a_quiet_worker_claims_nothing_until_it_is_resumed(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    app.worker(0).signal(Signal::User1);
    app.worker(0).wait_for("Quiet: claiming nothing more").await;
    let workers = || app.relais(&["queues"])["workers"].clone();
    app.wait_until("it serves nothing", async || workers()[0]["queues"] == "")
        .await;
    let job = accepted(&app, "m-1").await;
    let session = workers()[0]["session"].as_str().unwrap().to_owned();
    let pause = app.relais(&["queues"])["pauses"][0].clone();
    assert_eq!(
        (&pause["worker"], &pause["by"]),
        (&session.as_str().into(), &"SIGUSR1".into())
    );
    let reason = why(&app, &job);
    for field in ["worker", "by", "since"] {
        assert_eq!(reason[field], pause[field], "{field}: {reason}");
    }
    assert_eq!(
        (&reason["reason"], &reason["queue"]),
        (&"paused".into(), &"default".into())
    );
    app.relais(&["resume", "worker", &session]);
    app.wait_until("it claims again", async || why(&app, &job)["reason"] == "ended")
        .await;
}

/// The worker serves another queue, so that none meets the job and sets it aside.
async fn a_job_that_nobody_would_run_says_so_before_a_worker_meets_it(combination: Combination) {
    let app = TestApp::on(combination).with("RELAIS_QUEUES", "urgent=1").start().await;
    let job = accepted(&app, "m-1").await;
    assert_eq!(why(&app, &job)["reason"], "no_worker");
    for (what, name) in [("kind", "record_email_event"), ("tenant", app.tenant.as_str())] {
        app.relais(&["pause", what, name, "--by", "ann"]);
        let reason = why(&app, &job);
        assert_eq!(
            (&reason["reason"], &reason[what], &reason["by"]),
            (&"paused".into(), &name.into(), &"ann".into()),
            "{reason}"
        );
        app.relais(&["resume", what, name]);
        assert_eq!(why(&app, &job)["reason"], "no_worker");
    }
    app.leaves(&["ready"]);
}

async fn a_tenant_asks_why_its_job_waits(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let job = accepted(&app, "m-1").await;
    let shown = app.ask(&format!("/v1/jobs/{job}")).await;
    assert_eq!(
        (&shown["state"], &shown["why"]["reason"]),
        (&"ready".into(), &"no_worker".into()),
        "{shown}"
    );
    let other = app.relais(&["tenant", "create", "Other"]);
    let refused = app
        .get_as(other["api_key"].as_str().unwrap(), &format!("/v1/jobs/{job}"))
        .await;
    assert_eq!(refused.status, 404, "it belongs to somebody else: {refused:?}");
    app.leaves(&["ready"]);
}

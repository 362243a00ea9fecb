//! A worker stands still for longer than its lease (a paused machine, memory pressure) and comes back: what it held was
//! done by another, and its own late finishes have no effect and are counted.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use testkit::process::Signal;

use crate::app::{Combination, Event, TestApp, on_every_combination, shortest_lease};

const EVENTS: i64 = 1000;

on_every_combination!(a_worker_that_stood_still_past_its_lease_has_no_second_effect);

async fn a_worker_that_stood_still_past_its_lease_has_no_second_effect(combination: Combination) {
    let mut app = TestApp::on(combination)
        .workers(0)
        .with("JOB_LEASE", shortest_lease())
        .start()
        .await;
    app.post_all((0..EVENTS).map(|number| Event::new("ana", &format!("m-{number}"), "opened")))
        .await;
    let frozen = app.start_worker().await;
    // It must know that it holds them: what was claimed by an answer that never reached it is not finished by anyone.
    app.wait_until("some are done", async || app.lead_score("ana").await.is_some())
        .await;
    freeze_while_it_holds_jobs(&app, frozen).await;

    app.start_worker().await;
    app.wait_until_idle().await;
    assert_eq!(
        app.lead_score("ana").await,
        Some(3 * EVENTS),
        "another worker did all of it"
    );

    app.worker(frozen).signal(Signal::Continue);
    app.worker(frozen).wait_for("A finish was refused").await;
    app.wait_until("the refused finish is counted", async || app.counted("stale").await > 0)
        .await;
    app.wait_until_idle().await;
    assert_eq!(app.lead_score("ana").await, Some(3 * EVENTS), "nothing counted twice");
}

/// Stops the worker at a moment at which it holds jobs. On SQLite not in the middle of a transaction: the one writer of
/// a file that stands still lets nobody else write, whatever anyone's lease.
async fn freeze_while_it_holds_jobs(app: &TestApp, worker: usize) {
    app.wait_until("the worker stands still with jobs in its hands", async || {
        app.worker(worker).signal(Signal::Stop);
        let held = is_free(app).await && app.queues().running > 0;
        if !held {
            app.worker(worker).signal(Signal::Continue);
        }
        held
    })
    .await;
}

/// Whether somebody else may write.
async fn is_free(app: &TestApp) -> bool {
    let Some(path) = app.sqlite_path() else { return true };
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::ZERO);
    let mut connection = options.connect().await.unwrap();
    let free = sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.is_ok();
    connection.close().await.unwrap();
    free
}

//! What becomes of jobs when processes stop, die, lose their leases, or are told to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use queue::backend::{CRASH_BACKOFF, Cancelled, Counts, Reason, State};
use queue::clock::{Clock, millis};
use queue::{Client, Job as _, Queue};
use tokio::time::timeout;

use crate::answers::{id, origin, task};
use crate::jobs::{Act, Task, stage};
use crate::process::{GRACE, Plan, client, counted, keyring, until, until_dead};
use crate::support::fixture::{FAILURE_LIMIT, Fixture};
use crate::support::memory::Memory;

pub(crate) async fn a_running_job_that_is_cancelled_is_stopped(fixture: &Fixture) {
    let keyring = keyring("k1");
    let (stage, mut heard) = stage();
    let process = Plan::new(&keyring).start(fixture.another_handle().await, &stage);
    let client = client(fixture, &keyring).await;
    client.add(&task("a", Act::Hang), origin()).await.unwrap();
    client.add(&task("b", Act::Hang), origin()).await.unwrap();
    for _ in 0..2 {
        timeout(FAILURE_LIMIT, heard.recv()).await.expect("both run").unwrap();
    }
    let told = client.backend().cancel(id("a"), Clock::System.now()).await.unwrap();
    assert_eq!(told, Cancelled::Signalled);
    let kept = until_dead(fixture, id("a")).await;
    assert!(matches!(
        kept.state,
        State::Dead {
            reason: Reason::Cancelled,
            ..
        }
    ));
    assert_eq!(
        (stage.stopped.load(Ordering::SeqCst), process.pump.running()),
        (1, 1),
        "the other one goes on"
    );
    process.end(Duration::ZERO).await;
}

pub(crate) async fn a_run_whose_lease_is_lost_is_stopped_and_its_finish_refused(fixture: &Fixture) {
    let keyring = keyring("k1");
    let (stage, mut heard) = stage();
    let lease = Duration::from_secs(3);
    let process = Plan {
        lease,
        ..Plan::new(&keyring)
    }
    .start(fixture.another_handle().await, &stage);
    client(fixture, &keyring)
        .await
        .add(&task("a", Act::Hang), origin())
        .await
        .unwrap();
    timeout(FAILURE_LIMIT, heard.recv()).await.expect("it runs").unwrap();
    // Another process whose clock says that the lease is over. Nobody shall run the job again in this test.
    fixture.pause(Queue::Default, true).await;
    let later = Clock::System.now() + 2 * millis(lease);
    assert_eq!(
        fixture.queue.sweep(Queue::Default, later, 1.0).await.unwrap().rescued,
        1
    );
    let stopped = until("the stop of the run", async || {
        stage.stopped.load(Ordering::SeqCst) == 1
    });
    let in_time = timeout(Task::POLICY.timeout / 2, stopped).await;
    in_time.expect("it is stopped, and does not run into its time-out");
    process.end(GRACE).await;
    assert_eq!(counted(fixture, "stale").await, 1);
    assert_eq!(
        counted(fixture, "released").await,
        0,
        "a refused finish counts as nothing else"
    );
    let kept = fixture.kept(id("a")).await;
    assert_eq!((kept.attempts, kept.crashes), (0, 1));
    let run_at = later + millis(CRASH_BACKOFF.first);
    assert!(matches!(kept.state, State::Ready) || kept.state == State::Scheduled { run_at });
}

pub(crate) async fn a_job_that_outlasts_its_lease_is_renewed(fixture: &Fixture) {
    let keyring = keyring("k1");
    let (stage, mut heard) = stage();
    let lease = Duration::from_secs(3);
    let process = Plan {
        lease,
        ..Plan::new(&keyring)
    }
    .start(fixture.another_handle().await, &stage);
    client(fixture, &keyring)
        .await
        .add(&task("a", Act::Wait), origin())
        .await
        .unwrap();
    timeout(FAILURE_LIMIT, heard.recv()).await.expect("it runs").unwrap();
    let end = async |id| match fixture.kept(id).await.state {
        State::Running { until, .. } => until,
        other => panic!("it runs, and is {other:?}"),
    };
    let first = end(id("a")).await;
    until("the lease has been renewed twice", async || {
        end(id("a")).await > first + 1500
    })
    .await;
    stage.curtain.add_permits(1);
    process.end(GRACE).await;
    assert_eq!(
        (counted(fixture, "done").await, counted(fixture, "stale").await),
        (1, 0)
    );
}

/// As with a process that was frozen between its request and the answer.
#[tokio::test]
async fn what_is_heard_of_when_its_lease_is_over_does_not_begin() {
    let memory = Memory::default();
    let (keyring, (stage, mut heard)) = (keyring("k1"), stage());
    let lease = Duration::from_secs(1);
    let plan = Plan {
        lease,
        ..Plan::new(&keyring)
    };
    let process = plan.start(Arc::new(memory.another()), &stage);
    let client = Client::new(Arc::new(memory.another()), keyring, Clock::System);
    let silence = memory.silence().await;
    client.add(&task("a", Act::Done), origin()).await.unwrap();
    let crashes = async || client.backend().find(id("a")).await.unwrap().unwrap().crashes;
    until("it was claimed, and taken back", async || crashes().await == 1).await;
    drop(silence);
    until("it has ended", async || {
        client.backend().find(id("a")).await.unwrap().is_none()
    })
    .await;
    process.end(GRACE).await;
    heard.close();
    assert!(
        heard.recv().await.is_some() && heard.recv().await.is_none(),
        "it ran once"
    );
}

pub(crate) async fn what_runs_may_finish_within_the_grace(fixture: &Fixture) {
    let keyring = keyring("k1");
    let (stage, mut heard) = stage();
    let process = Plan {
        concurrency: 4,
        ..Plan::new(&keyring)
    }
    .start(fixture.another_handle().await, &stage);
    let client = client(fixture, &keyring).await;
    for number in 0..9 {
        client
            .add(&task(&number.to_string(), Act::Wait), origin())
            .await
            .unwrap();
    }
    for _ in 0..4 {
        timeout(FAILURE_LIMIT, heard.recv()).await.expect("four run").unwrap();
    }
    let ending = process.end(GRACE);
    tokio::pin!(ending);
    // Polled once, so that it no longer claims when the first slot is free.
    assert!(futures_util::poll!(ending.as_mut()).is_pending());
    stage.curtain.add_permits(9);
    assert_eq!(ending.await, 0, "none had to be stopped");
    assert_eq!(stage.ended.load(Ordering::SeqCst), 4);
    assert_eq!(
        fixture.counts().await,
        Counts {
            ready: 5,
            ..Counts::default()
        }
    );
    assert_eq!(counted(fixture, "done").await, 4);
}

pub(crate) async fn what_does_not_finish_in_time_is_released_without_a_charge(fixture: &Fixture) {
    let keyring = keyring("k1");
    let (stage, mut heard) = stage();
    let process = Plan {
        concurrency: 3,
        ..Plan::new(&keyring)
    }
    .start(fixture.another_handle().await, &stage);
    let client = client(fixture, &keyring).await;
    for number in 0..3 {
        client
            .add(&task(&number.to_string(), Act::Hang), origin())
            .await
            .unwrap();
    }
    for _ in 0..3 {
        timeout(FAILURE_LIMIT, heard.recv()).await.expect("three run").unwrap();
    }
    assert_eq!(process.end(Duration::from_millis(20)).await, 3);
    assert_eq!(stage.stopped.load(Ordering::SeqCst), 3);
    assert_eq!(
        fixture.counts().await,
        Counts {
            ready: 3,
            ..Counts::default()
        }
    );
    for number in 0..3 {
        let kept = fixture.kept(id(&number.to_string())).await;
        assert_eq!((kept.attempts, kept.crashes, kept.errors.len()), (0, 0, 0));
    }
    assert_eq!(counted(fixture, "released").await, 3);
}

pub(crate) async fn a_quiet_process_claims_nothing_until_it_is_resumed(fixture: &Fixture) {
    let keyring = keyring("k1");
    let (quiet_stage, mut quiet_heard) = stage();
    let quiet = Plan::new(&keyring).start(fixture.another_handle().await, &quiet_stage);
    let client = client(fixture, &keyring).await;
    client.add(&task("before", Act::Wait), origin()).await.unwrap();
    timeout(FAILURE_LIMIT, quiet_heard.recv())
        .await
        .expect("it runs")
        .unwrap();
    quiet.pump.quiet();
    quiet_stage.curtain.add_permits(1);
    crate::process::until_ended(fixture, id("before")).await;

    // Another process does the work meanwhile. A claim that was under way when the first one became quiet may still
    // take some of the first round; when that round is done, so is that claim.
    let (stage, _heard) = stage();
    let other = Plan::new(&keyring).start(fixture.another_handle().await, &stage);
    let mut ended_before = 0;
    for round in 0..2 {
        ended_before = stage.ended.load(Ordering::SeqCst);
        while quiet_heard.try_recv().is_ok() {}
        for number in 0..20 {
            client
                .add(&task(&format!("{round}-{number}"), Act::Done), origin())
                .await
                .unwrap();
        }
        until("all are done", async || fixture.counts().await == Counts::default()).await;
    }
    assert_eq!(stage.ended.load(Ordering::SeqCst) - ended_before, 20);
    assert!(quiet_heard.try_recv().is_err());
    other.end(GRACE).await;

    quiet.pump.switch().flow(true);
    client.add(&task("after", Act::Done), origin()).await.unwrap();
    timeout(FAILURE_LIMIT, quiet_heard.recv())
        .await
        .expect("it claims again")
        .unwrap();
    quiet.end(GRACE).await;
}

pub(crate) async fn a_thousand_jobs_survive_the_death_of_their_worker(fixture: &Fixture) {
    let keyring = keyring("k1");
    let client = client(fixture, &keyring).await;
    let tasks: Vec<_> = (0..1000).map(|number| task(&number.to_string(), Act::Wait)).collect();
    let added = futures_util::future::join_all(tasks.iter().map(|task| client.add(task, origin()))).await;
    assert!(added.iter().all(|receipt| !receipt.as_ref().unwrap().duplicate));

    let (first_stage, _heard) = stage();
    first_stage.curtain.add_permits(400);
    let plan = Plan {
        concurrency: 64,
        lease: Duration::from_secs(1),
        ..Plan::new(&keyring)
    };
    let first = plan.start(fixture.another_handle().await, &first_stage);
    until("the first process is in the middle", async || {
        first_stage.ended.load(Ordering::SeqCst) == 400
    })
    .await;
    first.crash();
    let held = fixture.counts().await.running;
    assert!(held > 0, "it died with jobs in its hands");

    let (stage, _heard) = stage();
    stage.curtain.add_permits(1000);
    let second = Plan {
        concurrency: 64,
        ..Plan::new(&keyring)
    }
    .start(fixture.another_handle().await, &stage);
    until("all are done", async || fixture.counts().await == Counts::default()).await;
    second.end(GRACE).await;
    for task in &tasks {
        assert!(
            fixture.queue.ended(id(&task.key)).await.unwrap(),
            "{} is lost",
            task.key
        );
    }
    // Run twice is what the first had finished and not yet settled, all of it still under its leases; nothing else.
    let runs = stage.ended.load(Ordering::SeqCst) as u64;
    assert!(
        (600..=600 + held).contains(&runs),
        "{runs} runs in the second process, {held} jobs were held"
    );
    assert!(counted(fixture, "crashed").await > 0);
}

//! Every tick gives exactly one job, however many clocks run and die.
//!
//! Where a tick must come at a chosen moment, clocks run within the test, each with a connection of its own and all by one
//! clock that is set by hand. One that dies has a runtime of its own, which ends with whatever was under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jobs::PurgeQueue;
use jobs::schedule::{ALL, Make, Missed, Schedule, Tick, Tz};
use queue::backend::{Backend, ClaimRequest, Outcome};
use queue::{Client, Clock, JobId, Queue};
use relais::clock::keeper::{Keeper, TRY_AGAIN_AFTER};
use relais::clock::plan;
use seal::Keyring;
use testkit::process::{Program, Signal};
use uuid::Uuid;

use crate::app::{Combination, TestApp, on_every_combination};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// 2026-01-05 00:00:00 UTC: a tick.
const START: Tick = 1_767_571_200;
/// How long a step may fail before the test does.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

const fn hourly(missed: Missed, job: &'static Make<PurgeQueue>) -> Schedule {
    Schedule {
        name: "hourly",
        cron: "0 * * * *",
        time_zone: Tz::UTC,
        missed,
        job,
    }
}

static SKIP: [Schedule; 1] = [hourly(Missed::Skip, &Make(|tick| PurgeQueue { tick }))];
static ONCE: [Schedule; 1] = [hourly(Missed::Once, &Make(|tick| PurgeQueue { tick: tick + 1 }))];
static EVERY: [Schedule; 1] = [hourly(Missed::All, &Make(|tick| PurgeQueue { tick: tick + 2 }))];

on_every_combination!(
    five_clocks_and_one_killed_at_each_tick_give_exactly_one_job_a_tick,
    after_hours_without_a_clock_each_rule_makes_up_for_what_it_says,
    a_clock_that_dies_while_it_makes_up_leaves_the_rest_to_the_next_one,
    five_processes_and_one_killed_at_the_tick_give_exactly_one_job,
);

/// The time in a test, and the clocks that go by it.
#[derive(Clone)]
struct Time(Arc<AtomicI64>);

impl Time {
    fn at(now: Tick) -> Self {
        Self(Arc::new(AtomicI64::new(now * 1000)))
    }

    fn set(&self, now: Tick) {
        self.0.store(now * 1000, Ordering::SeqCst);
    }

    /// A clock that has just started.
    fn start(&self, schedule: &'static [Schedule; 1], queue: Arc<dyn Backend>) -> Keeper {
        let keyring = Keyring::parse(&Keyring::generate("k1")).unwrap();
        let queue = Client::new(queue, keyring, Clock::Manual(Arc::clone(&self.0)));
        Keeper::new(plan(schedule).unwrap().remove(0), queue)
    }

    /// A clock that starts and dies after so many turns of its runtime; `true` = it had done all it owed by then.
    async fn start_and_die(&self, schedule: &'static [Schedule; 1], queue: Arc<dyn Backend>, turns: usize) -> bool {
        let time = self.clone();
        let life = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let mut clock = time.start(schedule, queue);
                tokio::select! {
                    biased;
                    () = pass(turns) => false,
                    _ = clock.step() => true,
                }
            })
        };
        tokio::task::spawn_blocking(life).await.unwrap()
    }
}

/// Before a clock did anything, and later and later on its way.
fn later(turns: usize) -> usize {
    turns + turns / 3 + 1
}

async fn pass(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// Lets a clock add what it owes, also if the queue needs to be asked again.
async fn added(clock: &mut Keeper) {
    let deadline = Instant::now() + WAIT_LIMIT;
    while clock.step().await == TRY_AGAIN_AFTER {
        assert!(Instant::now() < deadline, "the queue takes nothing");
    }
}

/// Runs what is there, in its order.
async fn run_all(queue: &dyn Backend, now: Tick) -> Vec<JobId> {
    let mut ran = Vec::new();
    loop {
        let request = ClaimRequest {
            queue: Queue::Bulk,
            lane: 0,
            want: 100,
            session: Uuid::from_u128(9),
            until: (now + HOUR) * 1000,
            now: now * 1000,
        };
        let claims = queue.claim(&request).await.unwrap();
        let settles: Vec<_> = claims
            .jobs
            .iter()
            .map(|job| job.ended(queue::clock::day(now * 1000), Outcome::Done))
            .collect();
        let finished: Vec<_> = claims.jobs.iter().map(|job| job.ticket.claim).collect();
        queue
            .settle(Queue::Bulk, &settles, &finished, now * 1000)
            .await
            .unwrap();
        ran.extend(claims.jobs.iter().map(|job| job.id));
        if claims.jobs.is_empty() && !claims.more {
            return ran;
        }
    }
}

fn id(schedule: &[Schedule; 1], tick: Tick) -> JobId {
    schedule[0].job.id(tick)
}

async fn five_clocks_and_one_killed_at_each_tick_give_exactly_one_job_a_tick(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let (time, queue) = (Time::at(START), app.queue());
    let mut clocks: Vec<_> = (0..4).map(|_| time.start(&ONCE, app.queue())).collect();
    let (mut tick, mut turns, mut survived) = (START, 0, false);
    while !survived {
        time.set(tick);
        let dies = time.start_and_die(&ONCE, app.queue(), turns);
        (survived, _) = tokio::join!(dies, join_all(clocks.iter_mut().map(added)));
        assert_eq!(run_all(&*queue, tick).await, [id(&ONCE, tick)], "after {turns} turns");

        // It is started again, and finds that its tick was added although the job is gone.
        added(&mut time.start(&ONCE, app.queue())).await;
        assert_eq!(run_all(&*queue, tick).await, [], "after {turns} turns");
        (tick, turns) = (tick + HOUR, later(turns));
    }
}

async fn after_hours_without_a_clock_each_rule_makes_up_for_what_it_says(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let (time, queue) = (Time::at(START), app.queue());
    let check = async |schedule: &'static [Schedule; 1], expected: [&[i64]; 3]| {
        // A first clock, on a queue that knows of no tick; one that comes back at once; and one after hours.
        for (now, hours) in [START + 10, START + 70, START + 3 * HOUR + HOUR / 2]
            .into_iter()
            .zip(expected)
        {
            time.set(now);
            added(&mut time.start(schedule, app.queue())).await;
            let ids: Vec<_> = hours.iter().map(|hour| id(schedule, START + hour * HOUR)).collect();
            assert_eq!(run_all(&*queue, now).await, ids, "{:?} at {now}", schedule[0].missed);
        }
    };
    check(&SKIP, [&[0], &[], &[]]).await;
    check(&ONCE, [&[0], &[], &[3]]).await;
    check(&EVERY, [&[0], &[], &[1, 2, 3]]).await;
}

async fn a_clock_that_dies_while_it_makes_up_leaves_the_rest_to_the_next_one(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let (time, queue) = (Time::at(START), app.queue());
    added(&mut time.start(&EVERY, app.queue())).await;
    run_all(&*queue, START).await;
    let (mut before, mut turns, mut survived) = (START, 0, false);
    while !survived {
        let now = before + DAY + HOUR / 2;
        time.set(now);
        survived = time.start_and_die(&EVERY, app.queue(), turns).await;
        let mut ran = run_all(&*queue, now).await;
        added(&mut time.start(&EVERY, app.queue())).await;
        ran.extend(run_all(&*queue, now).await);
        let ids: Vec<_> = (1..=24).map(|hour| id(&EVERY, before + hour * HOUR)).collect();
        assert_eq!(ran, ids, "after {turns} turns");
        (before, turns) = (before + DAY, later(turns));
    }
}

/// At its start a clock adds the latest tick, so five that start together all try the same one.
async fn five_processes_and_one_killed_at_the_tick_give_exactly_one_job(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let timetable = ALL[0].timetable().unwrap();
    let latest = || {
        let now = Clock::System.now() / 1000;
        timetable.between(now - 2 * HOUR, now).last().unwrap()
    };
    let first = latest();
    let clocks: Vec<Program> = (0..5).map(|_| app.start_clock()).collect();
    clocks[0].wait_for("Ticking.").await;
    clocks[0].kill();
    for clock in &clocks[1..] {
        clock.wait_for("\"Scheduled.\"").await;
        clock.wait_for("\"Tick.\"").await;
    }

    // A whole hour may just have begun: then there are two ticks.
    let listed = app.relais(&["jobs", "list"]);
    let jobs = listed["items"].as_array().unwrap().iter();
    let jobs = jobs.filter(|job| job["kind"] == ALL[0].job.kind()).count();
    let ticks = usize::try_from((latest() - first) / HOUR + 1).unwrap();
    assert!((1..=ticks).contains(&jobs), "{jobs} jobs of {ticks} ticks");
    let schedules = app.relais(&["schedules"]);
    let shown = &schedules["items"][0];
    assert_eq!(
        (&shown["name"], &shown["missed"]),
        (&"purge_queue".into(), &"once".into())
    );
    assert!(
        shown["last_tick"].is_string() && shown["next_tick"].is_string(),
        "{shown}"
    );

    for clock in &clocks[1..] {
        clock.signal(Signal::Terminate);
        assert_eq!(clock.finished().await.status.code(), Some(0));
    }
    app.leaves(&["ready"]);
}

/// Whatever the rule: a clock that ran has missed nothing.
#[cfg(feature = "services")]
#[tokio::test]
async fn no_tick_is_lost_while_the_queue_is_away() {
    let server = testkit::redis::Server::start().await;
    let wire = testkit::Proxy::to(server.address()).await;
    let through_the_wire = format!("redis://{}/", wire.addr());
    let connect = |url: &str| Arc::new(queue::redis::RedisQueue::connect(url, "test").unwrap());
    let (time, queue) = (Time::at(START), connect(server.url()));
    for (round, schedule) in (0..).zip([&SKIP, &ONCE, &EVERY]) {
        let start = START + round * 6 * HOUR;
        time.set(start);
        let mut clock = time.start(schedule, connect(&through_the_wire));
        added(&mut clock).await;
        assert_eq!(run_all(&*queue, start).await, [id(schedule, start)]);

        wire.cut();
        for hour in 1..=3 {
            time.set(start + hour * HOUR);
            assert_eq!(clock.step().await, TRY_AGAIN_AFTER, "the queue is away");
        }
        time.set(start + 3 * HOUR + HOUR / 2);
        wire.restore();
        added(&mut clock).await;
        let ids: Vec<_> = (1..=3).map(|hour| id(schedule, start + hour * HOUR)).collect();
        assert_eq!(
            run_all(&*queue, start + 4 * HOUR).await,
            ids,
            "{:?}",
            schedule[0].missed
        );
    }
}

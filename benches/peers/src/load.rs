//! The loads, the same for every Rust contender.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use uuid::Uuid;

use crate::contender::Contender;
use crate::figures::{Spread, memory_peak_kib, rate};
use crate::job::Nothing;
use crate::plan::{Outcome, Plan, Task};
use crate::stage::Stage;

/// The pause between jobs whose pick-up is timed: the worker is asleep again by then.
const PICK_UP_EVERY: Duration = Duration::from_millis(20);

/// Jobs of a pick-up that run first and are not timed: connections are made, code is warm.
const WARM: usize = 20;

/// Jobs in one call of a fill.
const FILL_BATCH: usize = 1_000;

/// Is a contender: does what the only argument, a [`Plan`], says and prints an [`Outcome`].
pub fn play<C: Contender>() -> ExitCode {
    let answer = std::env::args()
        .nth(1)
        .context("the argument is a plan")
        .and_then(|plan| Ok(serde_json::from_str::<Plan>(&plan)?))
        .and_then(|plan| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            runtime.block_on(perform::<C>(&plan))
        })
        .and_then(|outcome| Ok(serde_json::to_string(&outcome)?));
    match answer {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn perform<C: Contender>(plan: &Plan) -> anyhow::Result<Outcome> {
    let limit = Duration::from_secs(plan.limit_s);
    if plan.task == Task::Prepare {
        C::prepare(&plan.place).await?;
        return Ok(Outcome::default());
    }
    let contender = C::connect(&plan.place).await?;
    let outcome = match plan.task {
        Task::Prepare => Outcome::default(),
        Task::Add { jobs, callers } => add(contender, jobs, callers).await?,
        Task::Fill { jobs } => fill(contender, jobs).await?,
        Task::Drain { jobs, waiting } => drain(contender, jobs, waiting, limit).await?,
        Task::PickUp { jobs } => pick_up(contender, jobs, limit).await?,
    };
    Ok(Outcome {
        memory_peak_kib: memory_peak_kib(),
        ..outcome
    })
}

async fn add<C: Contender>(contender: C, jobs: usize, callers: usize) -> anyhow::Result<Outcome> {
    let (run, next) = (Uuid::new_v4(), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let calling: Vec<_> = (0..callers)
        .map(|_| {
            let (contender, next) = (contender.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= jobs {
                        return anyhow::Ok(times);
                    }
                    let began = Instant::now();
                    contender.add(Nothing::new(run, number)).await?;
                    times.push(began.elapsed());
                }
            })
        })
        .collect();
    let mut times = Vec::with_capacity(jobs);
    for caller in calling {
        times.extend(caller.await??);
    }
    Ok(Outcome {
        per_second: rate(jobs, began.elapsed().as_secs_f64()),
        within: Spread::of(times),
        ..Outcome::default()
    })
}

async fn fill<C: Contender>(contender: C, jobs: usize) -> anyhow::Result<Outcome> {
    let run = Uuid::new_v4();
    let began = Instant::now();
    for from in (0..jobs).step_by(FILL_BATCH) {
        let numbers = from..jobs.min(from + FILL_BATCH);
        contender
            .fill(numbers.map(|number| Nothing::new(run, number)).collect())
            .await?;
    }
    Ok(Outcome {
        per_second: rate(jobs, began.elapsed().as_secs_f64()),
        ..Outcome::default()
    })
}

async fn drain<C: Contender>(contender: C, jobs: usize, waiting: usize, limit: Duration) -> anyhow::Result<Outcome> {
    let before = contender.left().await?;
    ensure!(before == waiting, "{before} jobs wait instead of {waiting}");
    let stage = Arc::new(Stage::counting(jobs));
    match tokio::time::timeout(limit, contender.work(Arc::clone(&stage))).await {
        Ok(ended) => ended?,
        Err(_) => anyhow::bail!("{} of {jobs} jobs ran within {} s", stage.count(), limit.as_secs()),
    }
    let span = stage.span().context("the worker ended before the jobs did")?;
    let (ran, left) = (stage.count(), contender.left().await?);
    ensure!(
        ran + left == waiting,
        "{ran} of {waiting} jobs ran, and the queue says that {left} have not ended"
    );
    Ok(Outcome {
        per_second: rate(jobs, span.as_secs_f64()),
        ..Outcome::default()
    })
}

async fn pick_up<C: Contender>(contender: C, jobs: usize, limit: Duration) -> anyhow::Result<Outcome> {
    let stage = Arc::new(Stage::timing(WARM + jobs));
    let working = contender.work(Arc::clone(&stage));
    let adding = async {
        let run = Uuid::new_v4();
        let mut beat = tokio::time::interval(PICK_UP_EVERY);
        for number in 0..WARM + jobs {
            if number == WARM {
                stage.reached(WARM).await;
                beat.reset();
            }
            beat.tick().await;
            stage.adding();
            contender.add(Nothing::new(run, number)).await?;
        }
        anyhow::Ok(())
    };
    // A worker that ends early fails the whole, whatever the adding does.
    match tokio::time::timeout(limit, async { tokio::try_join!(working, adding) }).await {
        Ok(ended) => ended.map(drop)?,
        Err(_) => anyhow::bail!(
            "{} of {jobs} jobs were picked up within {} s",
            stage.count(),
            limit.as_secs()
        ),
    }
    let waits: Vec<_> = stage.waits().into_iter().skip(WARM).collect();
    ensure!(waits.len() == jobs, "{} of {jobs} jobs were picked up", waits.len());
    Ok(Outcome {
        within: Spread::of(waits),
        ..Outcome::default()
    })
}

//! Keeps one schedule: looks at the time, adds what has come, sleeps.

use std::time::Duration;

use jobs::schedule::{Missed, Schedule, Tick, Timetable};
use queue::{Client, QueueError, Receipt};

use super::agenda::{Agenda, Left};
use super::known::last_known;
use super::{LOOK_BACK_SECONDS, Planned, time};

/// How long to wait after the queue did not take a tick.
pub const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// See the module.
pub struct Keeper {
    schedule: &'static Schedule,
    timetable: Timetable,
    queue: Client,
    /// `None` until the queue said what it knows.
    agenda: Option<Agenda>,
    /// The last step failed, and was told of.
    failing: bool,
}

impl Keeper {
    /// A clock that has just started, as far as this schedule goes. Its time is that of `queue`.
    #[must_use]
    pub fn new((schedule, timetable): Planned, queue: Client) -> Self {
        Self {
            schedule,
            timetable,
            queue,
            agenda: None,
            failing: false,
        }
    }

    /// Adds every tick as it comes, for ever.
    pub async fn run(mut self) {
        loop {
            let wait = self.step().await;
            tokio::time::sleep(wait).await;
        }
    }

    /// Adds what has come by now, and answers after how long to call again. May be dropped at any point.
    pub async fn step(&mut self) -> Duration {
        match self.add_what_is_owed().await {
            Ok(wait) => {
                self.failing = false;
                wait
            }
            Err(error) => {
                let schedule = self.schedule.name;
                if self.failing {
                    tracing::debug!(%error, schedule, "A tick still cannot be added.");
                } else {
                    tracing::warn!(%error, schedule, "A tick could not be added; trying again until it is.");
                }
                self.failing = true;
                TRY_AGAIN_AFTER
            }
        }
    }

    async fn add_what_is_owed(&mut self) -> Result<Duration, QueueError> {
        let agenda = match &mut self.agenda {
            Some(agenda) => agenda,
            None => {
                let mut agenda = begin(self.schedule, &self.timetable, &self.queue).await?;
                let left = agenda.look(self.queue.clock().now() / 1000);
                // What the rule leaves out now may well have been added by a clock before this one.
                tell_left(self.schedule, Left { by_rule: 0, ..left });
                self.agenda.insert(agenda)
            }
        };
        loop {
            // Between any two adds, because what comes due while many are added is on time.
            let now = self.queue.clock().now();
            tell_left(self.schedule, agenda.look(now / 1000));
            let Some(tick) = agenda.first() else {
                return Ok(agenda.wait(now));
            };
            let receipt = self.schedule.job.add(tick, &self.queue).await?;
            agenda.added();
            tell_added(self.schedule, tick, receipt);
        }
    }
}

/// Where a clock that knows nothing begins to look.
async fn begin(schedule: &Schedule, timetable: &Timetable, queue: &Client) -> Result<Agenda, QueueError> {
    let now = queue.clock().now() / 1000;
    let oldest = now - LOOK_BACK_SECONDS;
    let looked_until = match schedule.missed {
        Missed::Skip | Missed::Once => oldest,
        Missed::All => match last_known(schedule, timetable, &**queue.backend(), oldest, now).await? {
            Some((tick, _)) => tick,
            // Not "all since the look-back began": an installation that is new has missed nothing.
            None => timetable
                .between(oldest, now)
                .last()
                .map_or(oldest, |latest| latest - 1),
        },
    };
    Ok(Agenda::new(timetable.clone(), schedule.missed, looked_until))
}

fn tell_added(schedule: &Schedule, tick: Tick, receipt: Receipt) {
    tracing::info!(
        schedule = schedule.name,
        kind = schedule.job.kind(),
        tick = time(tick),
        job.id = %receipt.job,
        duplicate = receipt.duplicate,
        "Tick."
    );
}

fn tell_left(schedule: &Schedule, left: Left) {
    let (name, rule) = (schedule.name, schedule.missed.name());
    if left.by_rule > 0 {
        let ticks = left.by_rule;
        tracing::warn!(
            schedule = name,
            missed = rule,
            ticks,
            "Ticks came too late; the rule leaves them out."
        );
    }
    if left.lost > 0 {
        let ticks = left.lost;
        tracing::error!(
            schedule = name,
            ticks,
            "Ticks were owed for too long, or too many; they are left out."
        );
    }
}

//! What starts by the clock: the list of schedules, as data.
//!
//! A schedule's ticks are the same instants for every clock that reads it ([`Timetable`]), and each tick adds one job
//! whose unique key is the tick. So any number of clocks may run: one of them wins each tick, and nobody is the leader.
//! How clocks do it, and what happens when they die, is told where they run.

mod missed;
mod timetable;

use std::pin::Pin;

use anyhow::Context as _;
pub use chrono_tz::Tz;
pub use missed::{Missed, ON_TIME_SECONDS};
use queue::{Client, Job, JobId, Origin, QueueError, Receipt};
pub use timetable::Timetable;
use uuid::Uuid;

use crate::{ApplyRetention, DecayScores, FindHotLeads, PurgeQueue, ReconcileMessages, Remind};

/// An instant at which a schedule starts its job, in unix seconds; always a whole minute.
pub type Tick = i64;

/// Something that happens every so often.
pub struct Schedule {
    /// What operators call it. No other schedule has the same name.
    pub name: &'static str,
    /// When it ticks: minute, hour, day of the month, month, day of the week, as cron understands them.
    pub cron: &'static str,
    /// Whose wall clock `cron` is about. [`Timetable`] says what becomes of the hours that this clock leaves out or shows
    /// twice; in UTC there are none.
    pub time_zone: Tz,
    /// What is made up for when no clock ran at a tick.
    pub missed: Missed,
    /// The job that a tick starts, given as [`Make`].
    pub job: &'static dyn Start,
}

/// All schedules. A new one may come with a tick of its past: see [`Missed`].
pub const ALL: &[Schedule] = &[
    Schedule {
        name: "purge_queue",
        cron: "0 * * * *",
        time_zone: Tz::UTC,
        missed: Missed::Once,
        job: &Make(|tick| PurgeQueue { tick }),
    },
    Schedule {
        name: "reconcile_messages",
        cron: "*/5 * * * *",
        time_zone: Tz::UTC,
        missed: Missed::Skip,
        job: &Make(|tick| ReconcileMessages { tick }),
    },
    Schedule {
        name: "remind",
        cron: "*/5 * * * *",
        time_zone: Tz::UTC,
        // What is overdue already is told as soon as a clock runs again.
        missed: Missed::Once,
        job: &Make(|tick| Remind { tick }),
    },
    Schedule {
        name: "decay_scores",
        // Weeks begin on Monday at midnight, UTC.
        cron: "20 0 * * MON",
        time_zone: Tz::UTC,
        // One is enough: it makes up for every week that has passed.
        missed: Missed::Once,
        job: &Make(|tick| DecayScores { tick }),
    },
    Schedule {
        name: "find_hot_leads",
        cron: "* * * * *",
        time_zone: Tz::UTC,
        missed: Missed::Skip,
        job: &Make(|tick| FindHotLeads { tick }),
    },
    Schedule {
        name: "apply_retention",
        cron: "40 2 * * *",
        time_zone: Tz::UTC,
        missed: Missed::Once,
        job: &Make(|tick| ApplyRetention { tick }),
    },
];

impl Schedule {
    /// Reads when it ticks.
    ///
    /// # Errors
    /// When `cron` cannot be read or names no instant at all.
    pub fn timetable(&self) -> anyhow::Result<Timetable> {
        Timetable::read(self.cron, self.time_zone).with_context(|| format!("the schedule `{}` is wrong", self.name))
    }
}

/// What a tick starts: [`Make`], without the job's type.
pub trait Start: Send + Sync {
    /// The kind of the job.
    fn kind(&self) -> &'static str;

    /// The id of the tick's job, which is the same in every process.
    fn id(&self, tick: Tick) -> JobId;

    /// Adds the tick's job; adding it again is answered as a duplicate, for at least 7 days.
    ///
    /// # Errors
    /// When the queue did not say that it kept the job; call again.
    fn add<'a>(&'a self, tick: Tick, queue: &'a Client) -> Adding<'a>;
}

/// What [`Start::add`] answers.
pub type Adding<'a> = Pin<Box<dyn Future<Output = Result<Receipt, QueueError>> + Send + 'a>>;

/// Makes a tick's job. Its unique key must name the tick, and nothing that differs between clocks.
pub struct Make<J>(pub fn(Tick) -> J);

/// The jobs of the clock are the installation's own.
const TENANT: Uuid = Uuid::nil();

impl<J: Job> Start for Make<J> {
    fn kind(&self) -> &'static str {
        J::KIND
    }

    fn id(&self, tick: Tick) -> JobId {
        JobId::derive(J::KIND, TENANT, &(self.0)(tick).unique())
    }

    fn add<'a>(&'a self, tick: Tick, queue: &'a Client) -> Adding<'a> {
        Box::pin(async move {
            let origin = Origin {
                tenant: TENANT,
                correlation: Uuid::new_v4(),
            };
            queue.add(&(self.0)(tick), origin).await
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;

    /// 2026-01-05 00:00:00 UTC.
    const NOW: Tick = 1_767_571_200;

    #[test]
    fn every_schedule_can_be_read_and_ticks_again() {
        for schedule in ALL {
            let timetable = schedule.timetable().unwrap();
            assert!(timetable.next_after(NOW).is_some(), "{}", schedule.name);
        }
    }

    #[test]
    fn no_two_schedules_share_a_name() {
        let names: HashSet<_> = ALL.iter().map(|schedule| schedule.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn every_schedule_starts_a_kind_that_workers_know() {
        let registry = crate::registry();
        for schedule in ALL {
            assert!(registry.policy(schedule.job.kind()).is_some(), "{}", schedule.name);
        }
    }

    /// Two schedules may start the same kind; they must not take each other's tick for their own.
    #[test]
    fn no_two_ticks_share_a_job() {
        let mut ids = HashSet::new();
        for schedule in ALL {
            for tick in [NOW, NOW + 60] {
                assert!(ids.insert(schedule.job.id(tick)), "{}", schedule.name);
                assert_eq!(
                    schedule.job.id(tick),
                    schedule.job.id(tick),
                    "every clock derives the same"
                );
            }
        }
    }
}

#![doc = include_str!("../README.md")]

mod add;
pub mod apalis;
pub mod backend;
mod backoff;
mod client;
pub mod clock;
pub mod envelope;
pub mod flow;
pub mod grouping;
mod health;
mod held;
mod job;
mod keeper;
pub mod pauses;
mod pump;
pub mod redis;
mod registry;
mod run;
mod slots;
pub mod sql;
mod starts_at;
mod stepper;
mod tally;
mod wording;

pub use backend::{Backend, QueueError};
pub use backoff::Backoff;
pub use client::{Client, Origin, Receipt};
pub use clock::{Clock, Millis};
pub use flow::{AfterDeath, Key, Keys, Limit, LimitState, Order, Rate};
pub use health::Health;
pub use held::Held;
pub use job::{
    Attempt, Job, JobError, JobId, LEASE, LEASE_MARGIN, Notes, Policy, Queue, RETRY_AFTER_MAX, RETRY_AFTER_MIN,
};
pub use pauses::{Pause, Pauses, Scope};
pub use pump::{Pump, PumpSettings, Switch};
pub use registry::Registry;
pub use run::{Ended, Runner};
pub use starts_at::StartsAt;

#![doc = include_str!("../README.md")]

pub mod backend;
mod backoff;
pub mod clock;
pub mod envelope;
mod job;
pub mod redis;
pub mod sql;

pub use backoff::Backoff;
pub use clock::{Clock, Millis};
pub use job::{Attempt, Job, JobError, JobId, LEASE, LEASE_MARGIN, Policy, Queue, RETRY_AFTER_MAX};

//! Tests only: temporary databases, a settable clock, faults on the wire, programs under control.
//!
//! Everything here cleans up after itself when it is dropped, also when a test panics, and nothing here sleeps:
//! where a test has to wait for another process, it waits for a line that process prints.
//!
//! | need | take |
//! |---|---|
//! | an empty Postgres database | [`postgres::fresh`], [`postgres::fresh_from_template`] when migrating is slow |
//! | a corner of the shared Redis | [`redis::fresh`] |
//! | a Redis of your own, to kill and restart | [`redis::Server::start`] |
//! | an SQLite file | [`sqlite::fresh`] |
//! | a database that goes away and comes back | [`Proxy`] |
//! | time that passes when you say so | [`ManualClock`] |
//! | the real program in its own process | [`process::Program`] |
//!
//! Postgres and Redis are found through `TEST_POSTGRES_URL` and `TEST_REDIS_URL`, which `bin/test` sets. A missing
//! variable is a panic, never a skipped test.

mod clock;
pub mod postgres;
pub mod process;
mod proxy;
pub mod redis;
pub mod sqlite;

pub use clock::ManualClock;
pub use proxy::Proxy;

/// The address of a service that `bin/test` starts.
///
/// # Panics
/// When the variable is missing: a test that cannot run must not look like one that passed.
fn service_url(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run the tests through `bin/test`, which starts this service and sets it")
    })
}

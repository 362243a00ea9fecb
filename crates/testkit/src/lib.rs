#![doc = include_str!("../README.md")]

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

//! Looks at the installation every few seconds, and tells operators what begins to go wrong and what is over.
//!
//! Every `relais clock` does so, and none of them is a job: where no worker is, no job would run. Any number of clocks may
//! look. What they remember is one row of the store ([`Watch`](domain::alert::Watch)): whoever writes it first after a look
//! has looked, the others have looked for nothing. What there is to tell is written in the same transaction, once for
//! each destination, and told from there ([`tell`]).
//!
//! **What may go wrong, and what becomes of an alert.**
//!
//! - The clock dies before its look is written: another one looks, and finds the same.
//! - It dies after that and before it told: the notice waits, and any clock takes it.
//! - It dies after it told and before it wrote so: it is told again, under the same name.
//! - The queue is away: what concerns queues stays as it was. The store is away: nothing is looked at and nothing told; when it
//!   is back, whatever is wrong then is told.
//! - No clock runs: nobody is told anything. `relais_alerts_looked_at_seconds` stands still, and `relais doctor` says so.

pub mod look;
pub mod tell;
pub(crate) mod words;

use std::time::Duration;

use queue::Client;
use store::Store;

use crate::config::AlertSettings;
use look::Watcher;
use tell::Teller;

/// Between two looks of a clock.
pub const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Between two questions whether something is to be told.
pub const TELL_EVERY: Duration = Duration::from_secs(5);

/// Looks and tells, for ever.
///
/// # Errors
/// When the settings name what nobody can be told by.
pub async fn watch(store: &Store, queue: &Client, settings: &AlertSettings) -> anyhow::Result<()> {
    let watcher = Watcher::new(store.clone(), queue.clone(), settings);
    let teller = Teller::new(store.clone(), settings)?;
    tokio::join!(
        again_and_again(LOOK_EVERY, "The installation could not be looked at", async || {
            watcher.look(chrono::Utc::now()).await
        }),
        again_and_again(TELL_EVERY, "Alerts could not be told", async || {
            teller.tell(chrono::Utc::now()).await.map(drop)
        }),
    );
    Ok(())
}

/// Says of a failure once until it goes well again.
async fn again_and_again(every: Duration, fails: &str, step: impl AsyncFn() -> anyhow::Result<()>) {
    let mut is_failing = false;
    loop {
        match step().await {
            Ok(()) => is_failing = false,
            Err(error) if is_failing => tracing::debug!(error = format!("{error:#}"), "{fails}, still."),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "{fails}; trying again until it goes well."
                );
                is_failing = true;
            }
        }
        tokio::time::sleep(every).await;
    }
}

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

use chrono::Utc;
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
    tokio::join!(look_on(&watcher), tell_on(&teller));
    Ok(())
}

async fn look_on(watcher: &Watcher) {
    let mut trouble = Trouble::with("The installation could not be looked at");
    loop {
        trouble.note(watcher.look(Utc::now()).await);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn tell_on(teller: &Teller) {
    let mut trouble = Trouble::with("Alerts could not be told");
    loop {
        trouble.note(teller.tell(Utc::now()).await.map(drop));
        tokio::time::sleep(TELL_EVERY).await;
    }
}

/// Says of a failure once, until it goes well again.
struct Trouble {
    what: &'static str,
    lasts: bool,
}

impl Trouble {
    const fn with(what: &'static str) -> Self {
        Self { what, lasts: false }
    }

    fn note(&mut self, result: anyhow::Result<()>) {
        let Err(error) = result else {
            self.lasts = false;
            return;
        };
        let (what, error) = (self.what, format!("{error:#}"));
        if self.lasts {
            tracing::debug!(error, "{what}, still.");
        } else {
            tracing::warn!(error, "{what}; trying again until it goes well.");
        }
        self.lasts = true;
    }
}

//! Opens what the settings name. Nothing here waits for a server: a process starts while its database is away, says so,
//! and goes on by itself when it is back.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use queue::Backend;
use queue::backend::FindingLevel;
use queue::redis::RedisQueue;
use queue::sql::{SqlOptions, SqlQueue};
use secrecy::ExposeSecret as _;
use store::{ConnectOptions, Db, Store};

use crate::config::Settings;

/// The store, sealed under the settings' keys.
///
/// # Errors
/// When the address cannot be used, or an SQLite file not opened.
pub async fn store(settings: &Settings) -> anyhow::Result<Store> {
    open(settings, ConnectOptions::default()).await
}

/// The same for jobs. More of them run than there are connections, and to stand in line for one is no failure: it would
/// cost an attempt.
///
/// # Errors
/// As [`store`].
pub async fn store_of_jobs(settings: &Settings) -> anyhow::Result<Store> {
    let options = ConnectOptions {
        acquire_timeout: Duration::from_secs(10),
        ..ConnectOptions::default()
    };
    open(settings, options).await
}

async fn open(settings: &Settings, options: ConnectOptions) -> anyhow::Result<Store> {
    let options = ConnectOptions {
        connections: settings.database.connections,
        ..options
    };
    let db = Db::connect(settings.database.url.expose_secret(), &options).await;
    Ok(Store::new(
        db.context("DATABASE_URL cannot be used")?,
        settings.keyring.clone(),
    ))
}

/// The queue: in Redis if there is one, else in the database.
///
/// # Errors
/// When the address cannot be used, or an SQLite file not opened.
pub async fn queue(settings: &Settings) -> anyhow::Result<Arc<dyn Backend>> {
    if let Some(redis) = &settings.redis {
        let queue = RedisQueue::connect(redis.url.expose_secret(), &redis.prefix);
        let queue = queue.context("REDIS_URL cannot be used")?;
        return Ok(Arc::new(queue.with_call_limit(settings.queue_timeout)));
    }
    let options = SqlOptions {
        call_limit: settings.queue_timeout,
        ..SqlOptions::default()
    };
    let queue = SqlQueue::connect(settings.database.url.expose_secret(), &options);
    Ok(Arc::new(queue.context("the queue cannot be opened in DATABASE_URL")?))
}

/// What jobs reach providers with.
///
/// # Errors
/// When TLS cannot be set up on this machine.
pub fn outside(settings: &Settings) -> anyhow::Result<jobs::Outside> {
    jobs::Outside::new(settings.public_url.clone(), settings.stand_ins.clone())
}

/// Looks at how the queue is set up: faults end the start, warnings are logged. A queue that cannot be reached now is not
/// a fault of its set-up.
///
/// # Errors
/// Names every fault and what to do about it.
pub async fn refuse_unsafe(queue: &dyn Backend) -> anyhow::Result<()> {
    let findings = match queue.check().await {
        Ok(findings) => findings,
        Err(error) => {
            tracing::warn!(%error, "The queue's set-up could not be looked at; going on.");
            return Ok(());
        }
    };
    let mut faults = Vec::new();
    for finding in findings {
        match finding.level {
            FindingLevel::Good => {}
            FindingLevel::Warning => tracing::warn!(finding = finding.text, "The queue's set-up has a risk."),
            FindingLevel::Fault => faults.push(finding.text),
        }
    }
    anyhow::ensure!(
        faults.is_empty(),
        "the queue is not safe to use:\n  {}",
        faults.join("\n  ")
    );
    Ok(())
}

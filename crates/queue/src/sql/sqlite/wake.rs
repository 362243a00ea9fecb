//! Wake-ups: a word within the process, and a look at the file for what other processes did.
//!
//! SQLite cannot call another process. But it keeps a counter of commits by others, `PRAGMA data_version`, and to ask for it
//! reads one page of shared memory and no table. A task asks ten times a second, as long as somebody holds one of our
//! bells; only when the counter moved does it look at what waits. (Everything in one process, as in development, never
//! depends on it: there every call that makes work ready rings itself.)

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::super::ring::lanes;
use super::json;
use crate::clock::Millis;
use crate::job::Queue;

/// How often the file is asked whether somebody else changed it.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const REOPEN_AFTER: Duration = Duration::from_secs(1);

type Bells = [Arc<Notify>; Queue::ALL.len()];

/// Who is to be woken.
pub(super) struct Wakes {
    options: SqliteConnectOptions,
    bells: Bells,
    watcher: OnceLock<AbortHandle>,
}

impl Wakes {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self {
            options,
            bells: Bells::default(),
            watcher: OnceLock::new(),
        }
    }

    pub(super) fn of(&self, queue: Queue) -> Arc<Notify> {
        self.watcher
            .get_or_init(|| tokio::spawn(watch(self.options.clone(), self.bells.clone())).abort_handle());
        self.bells[queue as usize].clone()
    }

    /// A bell that nobody waits for keeps one ring for the next who does.
    pub(super) fn ring(&self, queue: Queue) {
        self.bells[queue as usize].notify_one();
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher.get() {
            watcher.abort();
        }
    }
}

async fn watch(options: SqliteConnectOptions, bells: Bells) {
    loop {
        if let Ok(mut connection) = options.connect().await {
            // What failed does not matter: the calls that need the file say so themselves.
            let _ = look(&mut connection, &bells).await;
        }
        tokio::time::sleep(REOPEN_AFTER).await;
    }
}

async fn look(connection: &mut SqliteConnection, bells: &Bells) -> Result<(), sqlx::Error> {
    let (mut version, mut due) = (0, [None; Queue::ALL.len()]);
    loop {
        // The queue and this task have one of each bell.
        if bells.iter().any(|bell| Arc::strong_count(bell) > 2) {
            let seen: i64 = sqlx::query_scalar("PRAGMA data_version")
                .fetch_one(&mut *connection)
                .await?;
            if seen != version {
                version = seen;
                for queue in Queue::ALL {
                    let (ready, next) = waiting(connection, queue).await?;
                    if ready || next != due[queue as usize] {
                        bells[queue as usize].notify_one();
                    }
                    due[queue as usize] = next;
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether there is ready work that may not be under closed limit keys, and when the next job is due.
async fn waiting(connection: &mut SqliteConnection, queue: Queue) -> Result<(bool, Option<Millis>), sqlx::Error> {
    const WAITING: &str = "SELECT
        EXISTS (SELECT 1 FROM queue_ready WHERE limit_key = '' AND lane IN (SELECT value FROM json_each($2)))
            OR EXISTS (SELECT 1 FROM queue_turns WHERE lane IN (SELECT value FROM json_each($2))),
        (SELECT min(run_at) FROM queue_later WHERE queue = $1)";
    sqlx::query_as(WAITING)
        .bind(queue as i16)
        .bind(json(&lanes(queue))?)
        .fetch_one(connection)
        .await
}

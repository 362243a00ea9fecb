//! Wake-ups by NOTIFY: one listening connection per process, on its own task.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use sqlx::PgConnection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::job::Queue;

/// A connection that was silent for so long is asked whether it is well: a dead network says nothing either.
const SILENCE: Duration = Duration::from_secs(15);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const RECONNECT_FIRST: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(1);

type Bells = [Arc<Notify>; Queue::ALL.len()];

/// Who is to be woken.
pub(super) struct Wakes {
    options: PgConnectOptions,
    bells: Bells,
    listener: OnceLock<AbortHandle>,
}

impl Wakes {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self {
            options,
            bells: Bells::default(),
            listener: OnceLock::new(),
        }
    }

    pub(super) fn of(&self, queue: Queue) -> Arc<Notify> {
        self.listener
            .get_or_init(|| tokio::spawn(listen(self.options.clone(), self.bells.clone())).abort_handle());
        self.bells[queue as usize].clone()
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get() {
            listener.abort();
        }
    }
}

/// Tells every process that something changed for this queue.
pub(super) async fn tell(connection: &mut PgConnection, queue: Queue) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_notify('queue_wake', $1)")
        .bind((queue as i16).to_string())
        .execute(connection)
        .await?;
    Ok(())
}

async fn listen(options: PgConnectOptions, bells: Bells) {
    let backoff = ExponentialBuilder::new()
        .with_min_delay(RECONNECT_FIRST)
        .with_max_delay(RECONNECT_MAX)
        .with_jitter()
        .without_max_times();
    let mut waits = backoff.build();
    loop {
        // What failed does not matter: the calls that need the database say so themselves.
        if let Ok(mut listener) = connect(&options).await {
            waits = backoff.build();
            // Whatever was said while nobody listened.
            bells.iter().for_each(|bell| bell.notify_one());
            hear(&mut listener, &bells).await;
        }
        tokio::time::sleep(waits.next().unwrap_or(RECONNECT_MAX)).await;
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(ANSWER_LIMIT)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen("queue_wake").await?;
    Ok(listener)
}

/// Returns when the connection is lost.
async fn hear(listener: &mut PgListener, bells: &Bells) {
    loop {
        match tokio::time::timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                let queue = notification.payload().parse().ok().and_then(Queue::numbered);
                if let Some(queue) = queue {
                    bells[queue as usize].notify_one();
                }
            }
            Ok(Ok(None) | Err(_)) => return,
            Err(_) => {
                let answer = sqlx::query("SELECT 1").execute(&mut *listener);
                if !matches!(tokio::time::timeout(ANSWER_LIMIT, answer).await, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}

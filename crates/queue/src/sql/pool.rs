//! Connections that are never waited for longer than a call may take, and never used again after something went wrong.
//!
//! A pool of our own, because the stock one asks every connection whether it is well whenever it comes back (a second
//! round trip for every call) and tries a refused connection again until its time is up.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions as _, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::error::Elapsed;

use crate::backend::QueueError;

/// A connection that lay idle for longer is asked whether it is well before it is used.
const IDLE_TRUSTED: Duration = Duration::from_secs(10);

/// How long after a refusal an SQLite file is opened again.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Connects when somebody needs it, so that a queue can be made while its database is away.
pub(super) struct Pool<C: Connection> {
    options: C::Options,
    call_limit: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<(C, Instant)>>,
}

impl<C: Connection> Pool<C> {
    pub(super) fn new(options: C::Options, connections: usize, call_limit: Duration) -> Self {
        Self {
            options,
            call_limit,
            permits: Semaphore::new(connections),
            idle: Mutex::default(),
        }
    }

    /// A connection, and the moment at which the call that got it must be over.
    pub(super) async fn hold(&self) -> Result<Held<'_, C>, QueueError> {
        self.hold_for(self.call_limit).await
    }

    pub(super) async fn hold_for(&self, limit: Duration) -> Result<Held<'_, C>, QueueError> {
        let deadline = tokio::time::Instant::now() + limit;
        match tokio::time::timeout_at(deadline, self.connection()).await {
            Ok(Ok((permit, connection))) => Ok(Held {
                pool: self,
                connection: Some(connection),
                deadline,
                _permit: permit,
            }),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(too_late()),
        }
    }

    async fn connection(&self) -> Result<(SemaphorePermit<'_>, C), sqlx::Error> {
        let permit = self.permits.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        while let Some((mut connection, since)) = self.pop() {
            if since.elapsed() < IDLE_TRUSTED || connection.ping().await.is_ok() {
                return Ok((permit, connection));
            }
        }
        loop {
            match self.options.connect().await {
                // Somebody else is opening the file for the first time, which SQLite does not wait for.
                Err(error) if is_busy(&error) => tokio::time::sleep(BUSY_PAUSE).await,
                connected => return Ok((permit, connected?)),
            }
        }
    }

    /// Closes what is idle; the next calls connect anew.
    pub(super) fn clear(&self) {
        self.idle().clear();
    }

    fn pop(&self) -> Option<(C, Instant)> {
        self.idle().pop()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(C, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. Unless the call went well it is closed, not given back: whoever gives up in the middle of a
/// statement leaves a connection that is still busy with it.
pub(super) struct Held<'a, C: Connection> {
    pool: &'a Pool<C>,
    connection: Option<C>,
    /// When the call must be over.
    pub(super) deadline: tokio::time::Instant,
    _permit: SemaphorePermit<'a>,
}

impl<C: Connection> Held<'_, C> {
    pub(super) fn connection(&mut self) -> &mut C {
        self.connection
            .as_mut()
            .expect("it is only taken when the call is over")
    }

    /// Ends the call.
    pub(super) fn end<T>(mut self, outcome: Result<Result<T, sqlx::Error>, Elapsed>) -> Result<T, QueueError> {
        let error = match outcome {
            Ok(Ok(answer)) => {
                let connection = self.connection.take().expect("it is only taken here");
                self.pool.idle().push((connection, Instant::now()));
                return Ok(answer);
            }
            Ok(Err(error)) => failure(&error),
            Err(_) => too_late(),
        };
        if matches!(error, QueueError::Unavailable(_)) {
            // Its sisters most likely died of the same.
            self.pool.idle().clear();
        }
        Err(error)
    }
}

/// Runs a future that borrows a connection of the pool, within the pool's limit.
macro_rules! call {
    ($pool:expr, $connection:ident => $work:expr) => {{
        let mut held = $pool.hold().await?;
        let deadline = held.deadline;
        let $connection = held.connection();
        let outcome = tokio::time::timeout_at(deadline, $work).await;
        held.end(outcome)
    }};
}
pub(super) use call;

pub(super) fn too_late() -> QueueError {
    QueueError::Unavailable("no answer in time".into())
}

/// What we ourselves could not make sense of.
pub(super) fn broken(what: impl Display) -> sqlx::Error {
    sqlx::Error::Protocol(what.to_string())
}

/// Whether asking again later may help.
pub(super) fn failure(error: &sqlx::Error) -> QueueError {
    let unavailable = match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| passes(&code)),
        _ => false,
    };
    if unavailable {
        QueueError::Unavailable(error.to_string())
    } else {
        QueueError::Broken(error.to_string())
    }
}

/// Whether SQLite says that somebody else is writing.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == 5)
}

/// Codes of Postgres have five characters, those of SQLite are numbers whose last byte is the kind.
fn passes(code: &str) -> bool {
    if code.len() == 5 {
        // Connection lost, resources short, conflict with another transaction, lock, time-out, shutdown, standby.
        return ["08", "53", "40", "55", "57"].contains(&&code[..2]) || code == "25006";
    }
    // BUSY, LOCKED, IOERR, FULL, CANTOPEN.
    code.parse::<u32>()
        .is_ok_and(|code| [5, 6, 10, 13, 14].contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::passes;

    #[test]
    fn a_code_says_whether_asking_again_may_help() {
        for code in [
            "08006", "40P01", "53300", "57P01", "57014", "25006", "5", "261", "522", "14",
        ] {
            assert!(passes(code), "{code}");
        }
        for code in ["42P01", "23505", "28P01", "22021", "1", "19", "2067", "11", ""] {
            assert!(!passes(code), "{code}");
        }
    }
}

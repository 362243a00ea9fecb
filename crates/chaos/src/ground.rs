//! What the installation stands on: servers of its own, each behind a wire that can be broken.

use std::sync::Arc;

use anyhow::Context as _;
use queue::Backend as Queue;
use queue::redis::RedisQueue;
use queue::sql::{SqlOptions, SqlQueue};
use tempfile::TempDir;
use testkit::{Proxy, redis};
use tokio::sync::Mutex;

use crate::plan::Backend;
use crate::postgres;

/// The servers and the wires in front of them. All of it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Ground {
    /// The directory of the SQLite file.
    file: Option<TempDir>,
    pub(crate) postgres: Option<Place<postgres::Server>>,
    pub(crate) redis: Option<Place<redis::Server>>,
}

/// A server and the wire in front of it.
#[derive(Debug)]
pub(crate) struct Place<S> {
    pub(crate) server: Mutex<S>,
    pub(crate) wire: Proxy,
    /// How to get there without the wire.
    pub(crate) direct: String,
    /// How to get there by it.
    by_wire: String,
}

impl Ground {
    /// Starts what this backend needs for so many workers.
    ///
    /// # Errors
    /// When something is not installed or does not start.
    pub(crate) async fn start(backend: Backend, workers: usize) -> anyhow::Result<Self> {
        if backend == Backend::Sqlite {
            return Ok(Self {
                file: Some(tempfile::tempdir()?),
                postgres: None,
                redis: None,
            });
        }
        let server = postgres::Server::start(workers).await?;
        let wire = Proxy::to(([127, 0, 0, 1], server.port()).into()).await;
        let postgres = Place {
            direct: postgres::Server::url_by(server.port()),
            by_wire: postgres::Server::url_by(wire.addr().port()),
            server: Mutex::new(server),
            wire,
        };
        let redis = if backend == Backend::Redis {
            let server = redis::Server::start().await;
            let wire = Proxy::to(server.address()).await;
            Some(Place {
                direct: server.url().to_owned(),
                by_wire: format!("redis://{}/", wire.addr()),
                server: Mutex::new(server),
                wire,
            })
        } else {
            None
        };
        Ok(Self {
            file: None,
            postgres: Some(postgres),
            redis,
        })
    }

    /// The settings of processes that are exposed to broken wires, or (`direct`) of those that are not.
    pub(crate) fn settings(&self, direct: bool) -> Vec<(&'static str, String)> {
        let mut settings = vec![("DATABASE_URL", self.database_url(direct))];
        if let Some(redis) = &self.redis {
            settings.push(("REDIS_URL", redis.url(direct).to_owned()));
        }
        settings
    }

    /// Where the store is.
    pub(crate) fn database_url(&self, direct: bool) -> String {
        match (&self.postgres, &self.file) {
            (Some(postgres), _) => postgres.url(direct).to_owned(),
            (None, Some(directory)) => format!("sqlite://{}", directory.path().join("relais.db").display()),
            (None, None) => unreachable!("there is always one of them"),
        }
    }

    /// The queue, by the wire or not.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn queue(&self, direct: bool) -> anyhow::Result<Arc<dyn Queue>> {
        if let Some(redis) = &self.redis {
            let queue = RedisQueue::connect(redis.url(direct), "relais");
            return Ok(Arc::new(queue.context("the queue in Redis")?));
        }
        let queue = SqlQueue::connect(&self.database_url(direct), &SqlOptions::default());
        Ok(Arc::new(queue.context("the queue in the database")?))
    }
}

impl<S> Place<S> {
    fn url(&self, direct: bool) -> &str {
        if direct { &self.direct } else { &self.by_wire }
    }
}

//! Where jobs are kept during a measurement.

use std::sync::Arc;

use ::queue::Backend;
use ::queue::redis::RedisQueue;
use ::queue::sql::{SqlOptions, SqlQueue};
use serde::{Deserialize, Serialize};

/// The kinds of backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    Redis,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Redis];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
            Self::Redis => "Redis",
        }
    }
}

/// One place of its own: a file, a database, or a prefix.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    pub(crate) name: String,
}

impl Place {
    pub(crate) fn backend(&self) -> anyhow::Result<Arc<dyn Backend>> {
        Ok(match self.kind {
            Kind::Redis => Arc::new(RedisQueue::connect(&self.url, &self.name)?),
            Kind::Sqlite | Kind::Postgres => Arc::new(SqlQueue::connect(&self.url, &SqlOptions::default())?),
        })
    }
}

//! The schema and its steps, compiled in from `migrations/`.

use std::collections::BTreeSet;

use sqlx::Executor as _;
use sqlx::migrate::Migrator;

use crate::{Db, StoreError};

pub(crate) static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");
pub(crate) static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// A step of the schema that this program knows and the database has not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingMigration {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
}

/// Brings the schema up to date. Safe to run from several processes at once and to run again.
///
/// # Errors
/// [`StoreError::Migration`] when a step fails or the database has one that this program does not know; what was
/// applied before that step stays (on SQLite nothing does).
pub async fn migrate(db: &Db) -> Result<(), StoreError> {
    match db {
        Db::Postgres(pool) => {
            let mut connection = pool.acquire().await?;
            // A step may take its time, and waits for another process that is at it.
            connection
                .execute("SET lock_timeout = 0; SET statement_timeout = 0")
                .await?;
            let done = POSTGRES.run(&mut *connection).await;
            // Not back into the pool: it has no time-outs, and after a failure it may hold the migrators' lock.
            connection.close().await?;
            done?;
        }
        Db::Sqlite { writer, turns, .. } => {
            let _turn = crate::db::turn(turns).await?;
            // One transaction around all of it, because here the migrator itself locks nothing.
            let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
            SQLITE.run(&mut *transaction).await?;
            transaction.commit().await?;
        }
    }
    Ok(())
}

/// The steps that [`migrate`] would take. A start-up check refuses to serve while there are any.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database does not answer.
pub async fn pending_migrations(db: &Db) -> Result<Vec<PendingMigration>, StoreError> {
    let (migrator, exists) = match db {
        Db::Postgres(pool) => {
            let exists = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL");
            (&POSTGRES, exists.fetch_one(pool).await?)
        }
        Db::Sqlite { readers, .. } => {
            let exists = sqlx::query_scalar("SELECT COUNT(*) > 0 FROM sqlite_schema WHERE name = '_sqlx_migrations'");
            (&SQLITE, exists.fetch_one(readers).await?)
        }
    };
    let applied: Vec<i64> = if exists {
        on!(db.reader(), pool =>
            sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(pool).await)?
    } else {
        Vec::new()
    };
    let applied: BTreeSet<i64> = applied.into_iter().collect();
    Ok(migrator
        .iter()
        .filter(|step| !applied.contains(&step.version))
        .map(|step| PendingMigration {
            version: step.version,
            name: step.description.clone().into_owned(),
        })
        .collect())
}

//! Postgres databases that vanish with the test, in the server of `TEST_POSTGRES_URL`.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Names the server to make databases in: a superuser's URL of any database there.
pub const URL_VARIABLE: &str = "TEST_POSTGRES_URL";

/// What Postgres gives when nothing else is asked for, and what nobody is ever connected to.
const EMPTY: &str = "template0";

/// A database of its own. Dropped with everyone still connected to it.
#[derive(Debug)]
pub struct TempPostgres {
    name: String,
    url: String,
}

impl TempPostgres {
    /// How to connect to it, as superuser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Throws everyone out, and nobody finds it any more, until it is [`back`](Self::back).
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn away(&self) {
        let name = &self.name;
        let throw_out = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        let rename = format!("ALTER DATABASE {name} RENAME TO {name}_away");
        loop {
            administer(&throw_out).await.expect("the server throws them out");
            match administer(&rename).await {
                Ok(()) => return,
                // Somebody was quicker.
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55006") => {}
                Err(error) => panic!("{name} cannot be renamed: {error}"),
            }
        }
    }

    /// It is found again.
    ///
    /// # Panics
    /// When it was not [`away`](Self::away).
    pub async fn back(&self) {
        let name = &self.name;
        let rename = format!("ALTER DATABASE {name}_away RENAME TO {name}");
        administer(&rename).await.expect("it was away");
    }
}

impl Drop for TempPostgres {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A thread with a runtime of its own: a drop cannot await, and the test's runtime may be shutting down.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(administer(&statement)).map_err(std::io::Error::other)
        })
        .join();
        // Only reported: a panic in a drop during another panic would hide why the test failed.
        match dropped {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("the temporary database {} stays behind: {error}", self.name),
            Err(_) => eprintln!("the temporary database {} stays behind", self.name),
        }
    }
}

/// A new, empty database.
///
/// # Panics
/// When [`URL_VARIABLE`] is not set or the server refuses.
pub async fn fresh() -> TempPostgres {
    copy_of(EMPTY).await
}

/// A new copy of the template `name`, which `prepare` fills (migrates) once per process. Copying takes
/// milliseconds where migrating takes seconds.
///
/// `prepare` gets the template's URL and must close its connections: Postgres copies only what nobody is using. The
/// template stays in the server when the process ends, which is why `bin/test` starts a server for each run.
///
/// # Panics
/// When [`URL_VARIABLE`] is not set or the server refuses.
pub async fn fresh_from_template<Prepare, Prepared>(name: &'static str, prepare: Prepare) -> TempPostgres
where
    Prepare: FnOnce(String) -> Prepared,
    Prepared: Future<Output = ()>,
{
    type Templates = Mutex<HashMap<&'static str, Arc<OnceCell<String>>>>;
    static TEMPLATES: LazyLock<Templates> = LazyLock::new(Templates::default);

    let template = TEMPLATES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(name)
        .or_default()
        .clone();
    let template = template
        .get_or_init(async || {
            let database = copy_of(EMPTY).await;
            prepare(database.url.clone()).await;
            // Kept for the next test, so it must not be dropped with this value.
            let name = database.name.clone();
            std::mem::forget(database);
            name
        })
        .await;
    copy_of(template).await
}

async fn copy_of(template: &str) -> TempPostgres {
    let name = format!("test_{}", Uuid::new_v4().simple());
    if let Err(error) = administer(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await {
        panic!("the server of {URL_VARIABLE} makes no database: {error}");
    }
    let url = server().database(&name).to_url_lossy().to_string();
    TempPostgres { name, url }
}

/// Runs one statement in the server's own database. Only names made in this file are written into it.
async fn administer(statement: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(&server()).await?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await
}

fn server() -> PgConnectOptions {
    let url = crate::service_url(URL_VARIABLE);
    PgConnectOptions::from_str(&url).unwrap_or_else(|error| panic!("{URL_VARIABLE} is not a Postgres URL: {error}"))
}

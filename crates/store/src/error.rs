//! What can go wrong, told apart by what the caller can do about it.

use std::borrow::Cow;

use sqlx::error::ErrorKind;

/// Why the store did not do it. No text contains a value of a row or of a statement.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, overloaded or gave way to another transaction. Trying again later helps.
    #[error("the database is not available: {0}")]
    Unavailable(Cow<'static, str>),
    /// Something of this name exists already.
    #[error("{0}")]
    Conflict(&'static str),
    /// The tenant, or another row that this belongs to, does not exist (any more).
    #[error("what this belongs to does not exist")]
    Missing,
    /// A value breaks a rule of the schema.
    #[error("the database refused a value: {0}")]
    Constraint(String),
    /// A row holds what this program never wrote.
    #[error("a stored value is not readable: {0}")]
    Corrupt(Cow<'static, str>),
    /// A sealed value did not open.
    #[error("a stored value does not open: {0}")]
    Sealed(#[from] seal::OpenError),
    /// The database URL is not one that we can use.
    #[error("the database URL {0}")]
    Url(&'static str),
    /// The schema could not be brought up to date.
    #[error("migration failed: {0}")]
    Migration(String),
    /// The database refused the statement itself. Most likely a migration is missing.
    #[error("the database refused the statement ({0}); `relais migrate` may be needed")]
    Refused(String),
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// SQLite's primary codes that pass: busy, locked, I/O error, disk full, cannot open.
const SQLITE_TRANSIENT: [i32; 5] = [5, 6, 10, 13, 14];

/// Postgres' classes that pass: connection, authorisation and missing database (both while a server is being set up),
/// transaction rollback, resources, operator intervention, system.
const POSTGRES_TRANSIENT: [&str; 7] = ["08", "28", "3D", "40", "53", "57", "58"];

/// Lock not available, and a transaction ended because its owner fell asleep in it.
const POSTGRES_TRANSIENT_CODES: [&str; 2] = ["55P03", "25P03"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        match error {
            Error::PoolTimedOut => Self::Unavailable("no connection became free in time".into()),
            Error::PoolClosed => Self::Unavailable("the connection pool is closed".into()),
            Error::Io(error) => Self::Unavailable(format!("connection: {}", error.kind()).into()),
            Error::Tls(_) => Self::Unavailable("the TLS handshake failed".into()),
            Error::Protocol(_) | Error::WorkerCrashed => Self::Unavailable("the connection broke".into()),
            Error::Database(error) => from_database(&*error),
            Error::RowNotFound => Self::Missing,
            Error::ColumnDecode { index, .. } => Self::Corrupt(format!("column {index}").into()),
            Error::ColumnNotFound(name) => Self::Corrupt(format!("there is no column {name}").into()),
            Error::Migrate(error) => (*error).into(),
            _ => Self::Refused("it does not fit the driver".into()),
        }
    }
}

fn from_database(error: &dyn sqlx::error::DatabaseError) -> StoreError {
    let code = error.code().unwrap_or_default();
    let passes = match code.parse::<i32>() {
        // SQLite's extended codes keep the primary one in the low byte. Postgres' five characters never get here as
        // one of these numbers: as a number they are 1000 and more.
        Ok(number) if code.len() < 5 => SQLITE_TRANSIENT.contains(&(number & 0xff)),
        _ => {
            POSTGRES_TRANSIENT_CODES.contains(&&*code) || POSTGRES_TRANSIENT.iter().any(|class| code.starts_with(class))
        }
    };
    if passes {
        return StoreError::Unavailable(format!("code {code}").into());
    }
    // Only names of constraints: messages and details may repeat the value.
    let name = || {
        error
            .constraint()
            .map_or_else(|| format!("code {code}"), |name| format!("constraint {name}"))
    };
    match error.kind() {
        ErrorKind::UniqueViolation => StoreError::Conflict("it exists already"),
        ErrorKind::ForeignKeyViolation => StoreError::Missing,
        ErrorKind::NotNullViolation | ErrorKind::CheckViolation => StoreError::Constraint(name()),
        _ => StoreError::Refused(format!("code {code}")),
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        match error {
            MigrateError::Execute(error) => match error.into() {
                transient @ Self::Unavailable(_) => transient,
                other => Self::Migration(other.to_string()),
            },
            MigrateError::ExecuteMigration(error, version) => match error.into() {
                transient @ Self::Unavailable(_) => transient,
                other => Self::Migration(format!("number {version}: {other}")),
            },
            // These speak of version numbers only.
            other => Self::Migration(other.to_string()),
        }
    }
}

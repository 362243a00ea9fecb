//! Statements, on the thread that has the writer's connection.
//!
//! They look like sqlx's, whose words are used all around; but each runs at once where it is asked for, and a transaction of
//! twenty costs what twenty cost SQLite, without forty ways between two threads.

use std::error::Error as StdError;
use std::fmt;

use rusqlite::types::{FromSql, Null, ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, Row};
use sqlx::error::{DatabaseError, ErrorKind};
use uuid::Uuid;

/// Statements, with a semicolon between them, and what is bound to their `$1`, `$2` and so on: the same for all.
#[must_use = "it does nothing until it is executed or fetched"]
pub(super) struct Query<'q> {
    statements: &'q str,
    values: Vec<ToSqlOutput<'q>>,
}

pub(super) const fn query(statements: &str) -> Query<'_> {
    Query {
        statements,
        values: Vec::new(),
    }
}

impl<'q> Query<'q> {
    pub(super) fn bind(mut self, value: impl Bind<'q>) -> Self {
        self.values.push(value.bind());
        self
    }

    /// Answers how many rows the last of them changed that changes rows at all.
    pub(super) fn execute(self, connection: &Connection) -> Result<u64, sqlx::Error> {
        self.each(connection, |_| Ok(()))?;
        Ok(connection.changes())
    }

    /// The rows of all of them.
    pub(super) fn fetch_all<T: FromRow>(self, connection: &Connection) -> Result<Vec<T>, sqlx::Error> {
        let mut rows = Vec::new();
        self.each(connection, |row| {
            rows.push(T::from_row(row)?);
            Ok(())
        })?;
        Ok(rows)
    }

    pub(super) fn fetch_optional<T: FromRow>(self, connection: &Connection) -> Result<Option<T>, sqlx::Error> {
        Ok(self.fetch_all(connection)?.into_iter().next())
    }

    pub(super) fn fetch_one<T: FromRow>(self, connection: &Connection) -> Result<T, sqlx::Error> {
        self.fetch_optional(connection)?.ok_or(sqlx::Error::RowNotFound)
    }

    fn each(
        &self,
        connection: &Connection,
        mut see: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), sqlx::Error> {
        // None of ours has a semicolon anywhere else.
        for statement in self
            .statements
            .split(';')
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            self.one(connection, statement, &mut see).map_err(failure)?;
        }
        Ok(())
    }

    fn one(
        &self,
        connection: &Connection,
        statement: &str,
        see: &mut impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(statement)?;
        self.bind_to(&mut statement)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            see(row)?;
        }
        Ok(())
    }

    /// A statement need not have all of them. To SQLite `$7` is a name like any other.
    fn bind_to(&self, statement: &mut CachedStatement<'_>) -> rusqlite::Result<()> {
        for index in 1..=statement.parameter_count() {
            let name = statement.parameter_name(index).unwrap_or_default();
            let number: Option<usize> = name.strip_prefix('$').and_then(|number| number.parse().ok());
            let value = number.and_then(|number| self.values.get(number.checked_sub(1)?));
            let value = value.ok_or_else(|| rusqlite::Error::InvalidParameterName(name.to_owned()))?;
            statement.raw_bind_parameter(index, value)?;
        }
        Ok(())
    }
}

/// What can be bound.
pub(super) trait Bind<'q> {
    fn bind(self) -> ToSqlOutput<'q>;
}

macro_rules! bind {
    ($($kind:ty => $value:ident: $output:expr;)*) => {$(
        impl<'q> Bind<'q> for $kind {
            fn bind(self) -> ToSqlOutput<'q> {
                let $value = self;
                $output
            }
        }
    )*};
}

bind! {
    i64 => value: ToSqlOutput::Owned(Value::Integer(value));
    i32 => value: ToSqlOutput::Owned(Value::Integer(value.into()));
    i16 => value: ToSqlOutput::Owned(Value::Integer(value.into()));
    bool => value: ToSqlOutput::Owned(Value::Integer(value.into()));
    String => value: ToSqlOutput::Owned(Value::Text(value));
    Vec<u8> => value: ToSqlOutput::Owned(Value::Blob(value));
    Uuid => value: ToSqlOutput::Owned(Value::Blob(value.into_bytes().to_vec()));
    &'q str => value: ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes()));
    &'q String => value: ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes()));
    &'q [u8] => value: ToSqlOutput::Borrowed(ValueRef::Blob(value));
    &'q Vec<u8> => value: ToSqlOutput::Borrowed(ValueRef::Blob(value));
}

impl<'q, T: Bind<'q>> Bind<'q> for Option<T> {
    fn bind(self) -> ToSqlOutput<'q> {
        self.map_or(ToSqlOutput::from(Null), T::bind)
    }
}

/// What a row is read as.
pub(in crate::sql) trait FromRow: Sized {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self>;
}

macro_rules! tuples {
    ($(($($column:ident $index:tt),+);)*) => {$(
        impl<$($column: FromSql),+> FromRow for ($($column,)+) {
            fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
                Ok(($(row.get::<_, $column>($index)?,)+))
            }
        }
    )*};
}

tuples! {
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
}

macro_rules! scalars {
    ($($kind:ty),*) => {$(
        impl FromRow for $kind {
            fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
                row.get(0)
            }
        }
    )*};
}

scalars!(i64, Option<i64>, String, Uuid);

/// A row is read by the names of these fields.
macro_rules! by_name {
    ($row:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::sql::sqlite::statements::FromRow for $row {
            fn from_row(row: &::rusqlite::Row<'_>) -> ::rusqlite::Result<Self> {
                Ok(Self { $($field: row.get(stringify!($field))?),+ })
            }
        }
    };
}
pub(in crate::sql) use by_name;

/// What went wrong, as everything around says it.
pub(super) fn failure(error: rusqlite::Error) -> sqlx::Error {
    match error {
        rusqlite::Error::SqliteFailure(error, message) => sqlx::Error::Database(Box::new(Refusal {
            code: error.extended_code,
            message: message.unwrap_or_else(|| error.to_string()),
        })),
        other => super::super::pool::broken(other),
    }
}

/// What SQLite says when it refuses something.
#[derive(Debug)]
struct Refusal {
    code: i32,
    message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(code: {}) {}", self.code, self.message)
    }
}

impl StdError for Refusal {}

impl DatabaseError for Refusal {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

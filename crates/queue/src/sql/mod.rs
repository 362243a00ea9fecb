//! The queue on Postgres and SQLite.

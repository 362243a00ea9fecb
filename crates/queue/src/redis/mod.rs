//! The queue on Redis.

//! Single rows: pauses, workers, other envelopes.

use rusqlite::Connection;

use super::super::pool::broken;
use super::super::single::{ANNOUNCE, RESUME, REWRITE, STOP};
use super::super::texts::storable;
use super::statements::query;
use crate::backend::Worker;
use crate::clock::Millis;
use crate::job::JobId;

pub(super) fn pause(connection: &Connection, gate: &str, details: &str) -> Result<(), sqlx::Error> {
    let stop = query(STOP)
        .bind(storable(gate).into_owned())
        .bind(storable(details).into_owned());
    stop.execute(connection).map(drop)
}

pub(super) fn resume(connection: &Connection, gate: &str) -> Result<(), sqlx::Error> {
    query(RESUME)
        .bind(storable(gate).into_owned())
        .execute(connection)
        .map(drop)
}

pub(super) fn rewrite(connection: &Connection, id: JobId, old: &[u8], new: &[u8]) -> Result<bool, sqlx::Error> {
    for statement in REWRITE {
        if query(statement).bind(id.0).bind(old).bind(new).execute(connection)? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn announce(connection: &Connection, worker: &Worker, until: Millis) -> Result<(), sqlx::Error> {
    let info = serde_json::to_string(worker).map_err(broken)?;
    let announce = query(ANNOUNCE)
        .bind(worker.session)
        .bind(storable(&info).into_owned())
        .bind(until);
    announce.execute(connection).map(drop)
}

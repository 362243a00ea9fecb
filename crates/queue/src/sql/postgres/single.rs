//! Single rows: pauses, workers, other envelopes.

use sqlx::PgConnection;

use super::super::pool::broken;
use super::super::single::{ANNOUNCE, RESUME, REWRITE, STOP};
use super::super::texts::storable;
use super::wake;
use crate::backend::Worker;
use crate::clock::Millis;
use crate::job::JobId;
use crate::pauses::{Pause, Scope};

pub(super) async fn pause(connection: &mut PgConnection, pause: &Pause) -> Result<(), sqlx::Error> {
    let (gate, details) = (pause.scope.gate(), pause.details());
    let stop = sqlx::query(STOP).bind(storable(&gate)).bind(storable(&details));
    stop.execute(connection).await.map(drop)
}

pub(super) async fn resume(connection: &mut PgConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    let gate = scope.gate();
    sqlx::query(RESUME)
        .bind(storable(&gate))
        .execute(&mut *connection)
        .await?;
    match scope {
        Scope::Queue(queue) => wake::tell(connection, *queue).await,
        _ => Ok(()),
    }
}

pub(super) async fn rewrite(
    connection: &mut PgConnection,
    id: JobId,
    old: &[u8],
    new: &[u8],
) -> Result<bool, sqlx::Error> {
    for statement in REWRITE {
        let rewrite = sqlx::query(statement).bind(id.0).bind(old).bind(new);
        if rewrite.execute(&mut *connection).await?.rows_affected() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) async fn announce(connection: &mut PgConnection, worker: &Worker, until: Millis) -> Result<(), sqlx::Error> {
    let info = serde_json::to_string(worker).map_err(broken)?;
    let announce = sqlx::query(ANNOUNCE)
        .bind(worker.session)
        .bind(storable(&info))
        .bind(until);
    announce.execute(connection).await.map(drop)
}

//! Whether jobs that were ready are so still. A mark is a job's number, which it never keeps once it was claimed.

use uuid::Uuid;

use super::inspect::{Connection, on};
use super::ring::lanes;
use crate::backend::{BATCH_MAX, Mark, StillReady};
use crate::job::Queue;

/// Among so many limit keys, and tenants, the dice choose.
const CHOICES_MAX: i64 = 200;

/// Runs do not overlap, so a job is ready if the last run that begins before it, or with it, ends behind it.
const STILL: &str = "SELECT count(*) FROM queue_jobs j WHERE j.seq = $1 AND j.queue = $2
    AND (SELECT r.pos + r.n FROM queue_ready r
        WHERE r.lane = j.queue + 10 * j.crashes AND r.limit_key = COALESCE(j.limit_key, '') AND r.tenant = j.tenant
            AND r.pos <= j.seq
        ORDER BY r.pos DESC LIMIT 1) > j.seq
    AND NOT EXISTS (SELECT 1 FROM queue_closed c
        WHERE c.lane = j.queue + 10 * j.crashes AND c.limit_key = j.limit_key)";

/// The limit keys that have ready jobs in a lane and are open, one step of the index for each.
const KEYS: &str = "
WITH RECURSIVE found(limit_key, k) AS (
    SELECT (SELECT t.limit_key FROM queue_turns t WHERE t.lane = $1 ORDER BY t.limit_key LIMIT 1), 1
    UNION ALL
    SELECT (SELECT t.limit_key FROM queue_turns t WHERE t.lane = $1 AND t.limit_key > found.limit_key
        ORDER BY t.limit_key LIMIT 1), found.k + 1
    FROM found WHERE found.limit_key IS NOT NULL AND found.k < $2)
SELECT limit_key FROM found WHERE limit_key IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM queue_closed c WHERE c.lane = $1 AND c.limit_key = found.limit_key)";

/// The tenants that have ready jobs of a limit key in a lane, in the same way.
const TENANTS: &str = "
WITH RECURSIVE found(tenant, k) AS (
    SELECT (SELECT r.tenant FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = $2 ORDER BY r.tenant LIMIT 1), 1
    UNION ALL
    SELECT (SELECT r.tenant FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = $2 AND r.tenant > found.tenant
        ORDER BY r.tenant LIMIT 1), found.k + 1
    FROM found WHERE found.tenant IS NOT NULL AND found.k < $3)
SELECT tenant FROM found WHERE tenant IS NOT NULL";

const LAST: &str = "SELECT pos + n - 1 FROM queue_ready WHERE lane = $1 AND limit_key = $2 AND tenant = $3
    ORDER BY pos DESC LIMIT 1";

pub(super) async fn still_ready(
    mut connection: Connection<'_>,
    queue: Queue,
    marks: &[Mark],
    dice: f64,
) -> Result<StillReady, sqlx::Error> {
    connection.snapshot().await?;
    let mut still = Vec::new();
    for mark in marks.iter().take(BATCH_MAX) {
        // One of another backend marks nothing here.
        let Ok(seq) = mark.0.parse::<i64>() else { continue };
        let found: i64 = on!(&mut connection, inner =>
            sqlx::query_scalar(STILL).bind(seq).bind(queue as i16).fetch_one(&mut **inner).await?);
        if found > 0 {
            still.push(mark.clone());
        }
    }
    let mut fresh = None;
    for lane in lanes(queue) {
        if fresh.is_none() {
            fresh = last_of_one(&mut connection, lane, dice).await?;
        }
    }
    connection.end().await?;
    Ok(StillReady {
        still,
        fresh: fresh.map(|seq| Mark(seq.to_string())),
    })
}

/// The last job that is ready of one limit key, or of none, and of one tenant.
async fn last_of_one(connection: &mut Connection<'_>, lane: i16, dice: f64) -> Result<Option<i64>, sqlx::Error> {
    let mut keys: Vec<String> = on!(connection, inner =>
        sqlx::query_scalar(KEYS).bind(lane).bind(CHOICES_MAX).fetch_all(&mut **inner).await?);
    if !tenants(connection, lane, "").await?.is_empty() {
        keys.push(String::new());
    }
    let Some((key, dice)) = choose(&keys, dice) else {
        return Ok(None);
    };
    let tenants = tenants(connection, lane, key).await?;
    let Some((tenant, _)) = choose(&tenants, dice) else {
        return Ok(None);
    };
    Ok(on!(connection, inner =>
        sqlx::query_scalar(LAST).bind(lane).bind(key).bind(*tenant).fetch_optional(&mut **inner).await?))
}

async fn tenants(connection: &mut Connection<'_>, lane: i16, key: &str) -> Result<Vec<Uuid>, sqlx::Error> {
    Ok(on!(connection, inner =>
        sqlx::query_scalar(TENANTS).bind(lane).bind(key).bind(CHOICES_MAX).fetch_all(&mut **inner).await?))
}

/// One of them, and dice for the next choice.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "there are at most a few hundred, and dice are not negative"
)]
fn choose<T>(all: &[T], dice: f64) -> Option<(&T, f64)> {
    let place = dice.clamp(0.0, 1.0) * all.len() as f64;
    let index = (place as usize).min(all.len().checked_sub(1)?);
    Some((&all[index], place - index as f64))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn dice_choose_each_alike_and_may_be_used_again() {
        let of = |dice| choose(&["a", "b"], dice);
        assert_eq!(of(0.0), Some((&"a", 0.0)));
        assert_eq!(of(0.25), Some((&"a", 0.5)));
        assert_eq!(of(0.75), Some((&"b", 0.5)));
        assert_eq!(of(1.0), Some((&"b", 1.0)));
        assert_eq!(choose::<u8>(&[], 0.5), None);
    }
}

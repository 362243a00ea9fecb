//! Dead letters into their buckets and out of them, and from elsewhere.

use std::collections::HashMap;

use rusqlite::Connection;
use uuid::Uuid;

use super::super::letters::{Loose, filled};
use super::super::rows::holds;
use super::super::texts::{storable_error, storable_excerpt};
use super::add::fresh;
use super::statements::query;
use super::{json, packed};
use crate::backend::{BATCH_MAX, NewDead};
use crate::clock::{Millis, day};
use crate::flow::Key;

/// Puts letters that are in no bucket yet into theirs, the latest first, at most [`BATCH_MAX`].
pub(super) fn put(connection: &Connection) -> Result<(), sqlx::Error> {
    // `$1` [grp, queue, tenant, kind, reason, error, how many], `$2` [id, grp]
    const PUT: &str = "
        INSERT INTO queue_dead_buckets (grp, queue, tenant, kind, reason, error, letters)
            SELECT value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4, value ->> 5, value ->> 6
            FROM json_each($1) WHERE true
            ON CONFLICT (grp, queue, tenant) DO UPDATE SET letters = letters + excluded.letters;
        UPDATE queue_dead SET bucket = (
                SELECT b.id FROM queue_dead_buckets b
                WHERE b.grp = i.value ->> 1 AND b.queue = queue_dead.queue AND b.tenant = queue_dead.tenant)
            FROM json_each($2) AS i WHERE queue_dead.id = unhex(i.value ->> 0)";
    let columns = Loose::columns();
    let loose =
        format!("SELECT {columns} FROM queue_dead WHERE bucket IS NULL ORDER BY died_at DESC LIMIT {BATCH_MAX}");
    let loose: Vec<Loose> = query(&loose).fetch_all(connection)?;
    if loose.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = loose.iter().map(|letter| letter.id).collect();
    let errors = last_errors(connection, &ids)?;
    let (mut puts, mut buckets) = (Vec::with_capacity(loose.len()), Vec::with_capacity(loose.len()));
    for letter in &loose {
        let bucket = letter.bucket(errors.get(&letter.id).map(String::as_str))?;
        puts.push((hex(letter.id), bucket.place.0));
        buckets.push(bucket);
    }
    let fills: Vec<_> = filled(buckets)
        .into_iter()
        .map(|(bucket, count)| {
            let (grp, queue, tenant) = bucket.place;
            (
                grp,
                queue,
                hex(tenant),
                bucket.kind,
                bucket.reason.name(),
                bucket.error,
                count,
            )
        })
        .collect();
    query(PUT).bind(json(&fills)?).bind(json(&puts)?).execute(connection)?;
    Ok(())
}

/// What last went wrong with each.
fn last_errors(connection: &Connection, ids: &[Uuid]) -> Result<HashMap<Uuid, String>, sqlx::Error> {
    const ERRORS: &str = "SELECT id, error FROM queue_errors
        WHERE id IN (SELECT unhex(value) FROM json_each($1)) ORDER BY number";
    let ids: Vec<String> = ids.iter().copied().map(hex).collect();
    let errors: Vec<(Uuid, String)> = query(ERRORS).bind(json(&ids)?).fetch_all(connection)?;
    Ok(errors.into_iter().collect())
}

fn hex(id: Uuid) -> String {
    id.simple().to_string()
}

/// Keeps letters whose keys are not known; answers which.
pub(super) fn import(connection: &Connection, letters: &[NewDead], now: Millis) -> Result<Vec<bool>, sqlx::Error> {
    // [[index, queue, died_at, attempts, reason], [offset of the body, its length], [limit key, order key, holds]]
    const DEAD: &str = "INSERT INTO queue_dead
            (id, queue, crashes, attempts, died_at, tenant, reason, body, limit_key, order_key, holds)
        SELECT substr($2, 16 * (value ->> '$[0][0]') + 1, 16), value ->> '$[0][1]', 0, value ->> '$[0][3]',
            value ->> '$[0][2]', substr($3, 16 * (value ->> '$[0][0]') + 1, 16), value ->> '$[0][4]',
            substr($4, (value ->> '$[1][0]') + 1, value ->> '$[1][1]'),
            value ->> '$[2][0]', value ->> '$[2][1]', value ->> '$[2][2]'
        FROM json_each($1)";
    // [index, attempt, at, error, excerpt]
    const ERRORS: &str = "INSERT INTO queue_errors (id, attempt, at, error, excerpt)
        SELECT substr($2, 16 * (value ->> 0) + 1, 16), value ->> 1, value ->> 2, value ->> 3, value ->> 4
        FROM json_each($1)";

    let ids = packed(letters.iter().map(|letter| &letter.job.id.0));
    let tenants = packed(letters.iter().map(|letter| &letter.job.tenant));
    let (_, fresh) = fresh(connection, &ids, letters.len(), day(now))?;
    let (mut dead, mut errors, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    let mut imported = vec![false; letters.len()];
    for index in fresh {
        let letter = &letters[index];
        let job = &letter.job;
        imported[index] = true;
        dead.push((
            (
                index,
                job.queue as i16,
                letter.died_at,
                letter.attempts,
                letter.reason.name(),
            ),
            (bodies.len(), job.body.len()),
            (
                job.keys.limit.as_ref().map(Key::as_str),
                job.keys.order.as_ref().map(|order| order.key.as_str()),
                holds(&job.keys),
            ),
        ));
        bodies.extend_from_slice(&job.body);
        errors.extend(letter.errors.iter().map(|failure| {
            let excerpt = failure.excerpt.as_ref().and_then(storable_excerpt);
            let error = storable_error(&failure.error);
            (index, failure.attempt, failure.at, error, excerpt)
        }));
    }
    // Of an empty blob, any part is NULL.
    bodies.push(0);
    query(DEAD)
        .bind(json(&dead)?)
        .bind(&ids)
        .bind(&tenants)
        .bind(&bodies)
        .execute(connection)?;
    query(ERRORS).bind(json(&errors)?).bind(&ids).execute(connection)?;
    put(connection)?;
    Ok(imported)
}

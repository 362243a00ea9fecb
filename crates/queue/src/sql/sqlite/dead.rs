//! Dead letters that live again, or go for good.

use std::collections::BTreeSet;

use rusqlite::Connection;
use uuid::Uuid;

use super::super::outcome::End;
use super::super::rows;
use super::lines::{self, Due};
use super::ready::Place;
use super::statements::{by_name, query};
use super::{json, letters, numbers_back, packed};
use crate::clock::{Millis, day};
use crate::job::{JobId, Queue};

/// `$1` ids, `$2` the number of the first, `$3` today, `$4` an array as long. The key's day moves on: the job
/// may well end today, and its new envelope say that it was added today.
const RETRY: &str = "
    INSERT INTO queue_jobs (seq, queue, id, tenant, body, limit_key, order_key, holds)
        SELECT $2 + i.key, d.queue, d.id, d.tenant, d.body, d.limit_key, d.order_key, d.holds
        FROM json_each($4) i CROSS JOIN queue_dead d ON d.id = substr($1, 16 * i.key + 1, 16);
    INSERT INTO queue_keys (seq, id, day)
        SELECT $2 + key, substr($1, 16 * key + 1, 16), $3 FROM json_each($4) WHERE true
        ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, day = max(queue_keys.day, excluded.day);
    DELETE FROM queue_cancels WHERE id IN (SELECT substr($1, 16 * key + 1, 16) FROM json_each($4));
    UPDATE queue_dead_buckets AS b SET letters = b.letters - risen.n
        FROM (SELECT d.bucket, count(*) AS n
            FROM json_each($4) i CROSS JOIN queue_dead d ON d.id = substr($1, 16 * i.key + 1, 16) GROUP BY d.bucket) AS risen
        WHERE risen.bucket = b.id;
    DELETE FROM queue_dead WHERE id IN (SELECT substr($1, 16 * key + 1, 16) FROM json_each($4))";

/// A dead letter's place.
struct Letter {
    /// Among those that are asked for.
    place: i64,
    id: Uuid,
    queue: i16,
    tenant: Uuid,
    limit_key: String,
    order_key: Option<String>,
    holds: Option<bool>,
}

by_name!(Letter {
    place,
    id,
    queue,
    tenant,
    limit_key,
    order_key,
    holds
});

impl Letter {
    /// What it is when it is a job again.
    fn due(self, seq: i64) -> Due {
        Due {
            queue: self.queue,
            order_key: self.order_key,
            id: self.id,
            place: Place {
                lane: self.queue,
                limit_key: self.limit_key,
                tenant: self.tenant,
                seq,
            },
        }
    }

    /// Its end, if its line waits for it.
    fn end(self) -> Option<End> {
        let order_key = self.order_key.filter(|_| self.holds == Some(true));
        End::of(self.tenant, order_key, self.id)
    }
}

/// Those of them that are dead, each once, in their order.
fn letters_of(connection: &Connection, ids: &[Uuid]) -> Result<Vec<Letter>, sqlx::Error> {
    const LETTERS: &str = "SELECT min(i.key) AS place, d.id, d.queue, d.tenant, COALESCE(d.limit_key, '') AS limit_key,
            d.order_key, d.holds
        FROM json_each($2) i CROSS JOIN queue_dead d ON d.id = substr($1, 16 * i.key + 1, 16)
        GROUP BY d.id ORDER BY place";
    query(LETTERS)
        .bind(packed(ids))
        .bind(json(&vec![0; ids.len()])?)
        .fetch_all(connection)
}

/// Of each letter whether it was dead, and the queues in which they live now.
pub(super) type Retried = (Vec<bool>, BTreeSet<Queue>);

/// `letters` are ids, with an envelope instead of the one that they have. In its line one is the head if that waited for it, else
/// the last.
pub(super) fn retry(
    connection: &Connection,
    letters: &[(JobId, Option<Vec<u8>>)],
    now: Millis,
) -> Result<Retried, sqlx::Error> {
    const BODY: &str = "UPDATE queue_jobs SET body = $2 WHERE seq = $1";
    let ids: Vec<Uuid> = letters.iter().map(|(id, _)| id.0).collect();
    let found = letters_of(connection, &ids)?;
    let (mut risen, mut queues) = (vec![false; letters.len()], BTreeSet::new());
    let first = numbers_back(connection, found.len())?;
    query(RETRY)
        .bind(packed(found.iter().map(|letter| &letter.id)))
        .bind(first)
        .bind(day(now))
        .bind(json(&vec![0; found.len()])?)
        .execute(connection)?;
    let mut due = Vec::with_capacity(found.len());
    for (seq, letter) in (first..).zip(found) {
        let asked = usize::try_from(letter.place)
            .ok()
            .and_then(|place| letters.get(place).zip(risen.get_mut(place)));
        let Some(((_, body), has_risen)) = asked else { continue };
        *has_risen = true;
        queues.insert(rows::queue(letter.queue)?);
        if let Some(body) = body {
            query(BODY).bind(seq).bind(body).execute(connection)?;
        }
        due.push(letter.due(seq));
    }
    lines::join(connection, due)?;
    Ok((risen, queues))
}

/// The queue of which it was; `None` = no such dead letter.
pub(super) fn delete(connection: &Connection, id: JobId) -> Result<Option<Queue>, sqlx::Error> {
    const DELETE: &str = "
        INSERT INTO queue_counters (queue, kind, name, value)
            SELECT d.queue, COALESCE(b.kind, ''), 'deleted', 1
            FROM queue_dead d LEFT JOIN queue_dead_buckets b ON b.id = d.bucket WHERE d.id = $1
            ON CONFLICT (queue, kind, name) DO UPDATE SET value = value + excluded.value;
        UPDATE queue_dead_buckets SET letters = letters - 1 WHERE id = (SELECT bucket FROM queue_dead WHERE id = $1);
        DELETE FROM queue_dead WHERE id = $1;
        DELETE FROM queue_errors WHERE id = $1";
    let Some(letter) = letters_of(connection, &[id.0])?.pop() else {
        return Ok(None);
    };
    letters::put(connection)?;
    query(DELETE).bind(id.0).execute(connection)?;
    let queue = rows::queue(letter.queue)?;
    let end: Vec<End> = letter.end().into_iter().collect();
    lines::follow(connection, queue, &end)?;
    Ok(Some(queue))
}

/// Removes the oldest of those that died before, at most `most`, once they are counted; answers how many.
pub(super) fn purge(connection: &Connection, queue: Queue, dead_before: Millis, most: i64) -> Result<u64, sqlx::Error> {
    const OLD: &str = "SELECT rowid FROM queue_dead WHERE died_at < $1 AND queue = $2 ORDER BY died_at LIMIT $3";
    const LETTERS: &str = "SELECT 0 AS place, id, queue, tenant, COALESCE(limit_key, '') AS limit_key, order_key, holds
        FROM queue_dead WHERE rowid IN (SELECT value FROM json_each($1)) AND holds";
    const PURGE: &str = "
        INSERT INTO queue_counters (queue, kind, name, value)
            SELECT d.queue, COALESCE(b.kind, ''), 'purged', count(*)
            FROM queue_dead d LEFT JOIN queue_dead_buckets b ON b.id = d.bucket
            WHERE d.rowid IN (SELECT value FROM json_each($1)) GROUP BY 1, 2
            ON CONFLICT (queue, kind, name) DO UPDATE SET value = value + excluded.value;
        UPDATE queue_dead_buckets SET letters = letters - gone.n FROM (
                SELECT bucket, count(*) AS n FROM queue_dead WHERE rowid IN (SELECT value FROM json_each($1)) GROUP BY bucket
            ) AS gone WHERE id = gone.bucket;
        DELETE FROM queue_dead_buckets WHERE letters = 0;
        DELETE FROM queue_errors WHERE id IN (
            SELECT id FROM queue_dead WHERE rowid IN (SELECT value FROM json_each($1)));
        DELETE FROM queue_dead WHERE rowid IN (SELECT value FROM json_each($1))";
    letters::put(connection)?;
    let old: Vec<i64> = query(OLD)
        .bind(dead_before)
        .bind(queue as i16)
        .bind(most)
        .fetch_all(connection)?;
    let rows = json(&old)?;
    let letters: Vec<Letter> = query(LETTERS).bind(&rows).fetch_all(connection)?;
    query(PURGE).bind(&rows).execute(connection)?;
    let ends: Vec<End> = letters.into_iter().filter_map(Letter::end).collect();
    lines::follow(connection, queue, &ends)?;
    Ok(old.len() as u64)
}

//! Lines: who goes first, and who follows.

use std::collections::HashMap;

use rusqlite::Connection;
use uuid::Uuid;

use super::super::outcome::End;
use super::ready::{Place, make_ready};
use super::statements::{by_name, query};
use super::{json, packed};
use crate::job::Queue;

/// A job whose time has come.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) queue: i16,
    pub(super) order_key: Option<String>,
    pub(super) id: Uuid,
    pub(super) place: Place,
}

type Line<'a> = (i16, Uuid, &'a str);

impl Due {
    fn line(&self) -> Option<Line<'_>> {
        Some((self.queue, self.place.tenant, self.order_key.as_deref()?))
    }
}

/// Makes jobs ready, in their order: one with an order key joins its line, unless it is its head already, and only the
/// head is ready.
pub(super) fn join(connection: &Connection, due: Vec<Due>) -> Result<(), sqlx::Error> {
    // [queue, order key, index of the tenant, seq]
    const BEHIND: &str = "INSERT INTO queue_behind (queue, tenant, order_key, seq)
        SELECT value ->> 0, substr($2, 16 * (value ->> 2) + 1, 16), value ->> 1, value ->> 3 FROM json_each($1)";
    let heads = heads(connection, &due)?;
    let first = |due: &Due| due.line().is_none_or(|line| heads.get(&line) == Some(&due.id));
    let tenants = packed(due.iter().map(|due| &due.place.tenant));
    let behind = due.iter().enumerate().filter(|(_, due)| !first(due));
    let behind: Vec<_> = behind
        .map(|(index, due)| (due.queue, &due.order_key, index, due.place.seq))
        .collect();
    if !behind.is_empty() {
        query(BEHIND).bind(json(&behind)?).bind(tenants).execute(connection)?;
    }
    let ready = due.iter().filter(|due| first(due)).map(|due| due.place.clone());
    make_ready(connection, ready.collect())
}

/// The heads of the lines of these jobs. Who comes first to a line that is not there becomes its head.
fn heads<'a>(connection: &Connection, due: &'a [Due]) -> Result<HashMap<Line<'a>, Uuid>, sqlx::Error> {
    // `$1` [queue, order key], `$2` tenants, `$3` ids
    const HEADS: &str = "
        INSERT INTO queue_lines (queue, tenant, order_key, head)
            SELECT value ->> 0, substr($2, 16 * key + 1, 16), value ->> 1, substr($3, 16 * key + 1, 16)
            FROM json_each($1) WHERE true ON CONFLICT DO NOTHING;
        SELECT i.key, l.head FROM json_each($1) i CROSS JOIN queue_lines l
            ON l.queue = i.value ->> 0 AND l.tenant = substr($2, 16 * i.key + 1, 16) AND l.order_key = i.value ->> 1";
    let mut lines: Vec<(Line<'a>, Uuid)> = Vec::new();
    let mut heads: HashMap<Line<'a>, Uuid> = HashMap::new();
    for due in due {
        if let Some(line) = due.line().filter(|line| !heads.contains_key(line)) {
            heads.insert(line, due.id);
            lines.push((line, due.id));
        }
    }
    if lines.is_empty() {
        return Ok(heads);
    }
    let keys: Vec<_> = lines.iter().map(|((queue, _, key), _)| (queue, key)).collect();
    let rows: Vec<(i64, Uuid)> = query(HEADS)
        .bind(json(&keys)?)
        .bind(packed(lines.iter().map(|((_, tenant, _), _)| tenant)))
        .bind(packed(lines.iter().map(|(_, id)| id)))
        .fetch_all(connection)?;
    for (index, head) in rows {
        let line = usize::try_from(index).ok().and_then(|index| lines.get(index));
        heads.extend(line.map(|(line, _)| (*line, head)));
    }
    Ok(heads)
}

/// The next of a line whose head has ended.
struct Next {
    /// The place of the end in the call.
    ended: i64,
    place: Option<i64>,
    seq: Option<i64>,
    id: Option<Uuid>,
    lane: Option<i16>,
    limit_key: Option<String>,
}

by_name!(Next {
    ended,
    place,
    seq,
    id,
    lane,
    limit_key
});

/// Makes the next of each line ready, if its head has ended; answers whether there was one. A job keeps its `seq` when it
/// follows: it has never been under a lease with that one.
pub(super) fn follow(connection: &Connection, queue: Queue, ends: &[End]) -> Result<bool, sqlx::Error> {
    const NEXT: &str = "
        SELECT i.key AS ended, b.place, b.seq, j.id, j.queue + 10 * j.crashes AS lane, j.limit_key
        FROM json_each($1) i
        CROSS JOIN queue_lines l ON l.queue = $4 AND l.tenant = substr($2, 16 * i.key + 1, 16)
            AND l.order_key = i.value AND l.head = substr($3, 16 * i.key + 1, 16)
        LEFT JOIN queue_behind b ON b.place = (
            SELECT min(w.place) FROM queue_behind w
            WHERE w.queue = l.queue AND w.tenant = l.tenant AND w.order_key = l.order_key)
        LEFT JOIN queue_jobs j ON j.seq = b.seq";
    const OVER: &str = "DELETE FROM queue_lines WHERE (queue, tenant, order_key) IN (
        SELECT $1, substr($2, 16 * key + 1, 16), value FROM json_each($3))";
    const LEAD: &str = "
        INSERT INTO queue_lines (queue, tenant, order_key, head)
            SELECT $1, substr($2, 16 * key + 1, 16), value, substr($4, 16 * key + 1, 16) FROM json_each($3) WHERE true
            ON CONFLICT (queue, tenant, order_key) DO UPDATE SET head = excluded.head;
        DELETE FROM queue_behind WHERE place IN (SELECT value FROM json_each($5))";
    if ends.is_empty() {
        return Ok(false);
    }
    let order_keys: Vec<&str> = ends.iter().map(|end| end.order_key.as_str()).collect();
    let found: Vec<Next> = query(NEXT)
        .bind(json(&order_keys)?)
        .bind(packed(ends.iter().map(|end| &end.tenant)))
        .bind(packed(ends.iter().map(|end| &end.id)))
        .bind(queue as i16)
        .fetch_all(connection)?;
    let (mut over, mut led, mut ready, mut places) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for next in found {
        let Some(end) = usize::try_from(next.ended).ok().and_then(|index| ends.get(index)) else {
            continue;
        };
        let (Some(place), Some(seq), Some(id), Some(lane)) = (next.place, next.seq, next.id, next.lane) else {
            over.push(end);
            continue;
        };
        led.push((end, id));
        places.push(place);
        ready.push(Place {
            lane,
            limit_key: next.limit_key.unwrap_or_default(),
            tenant: end.tenant,
            seq,
        });
    }
    if !over.is_empty() {
        let keys: Vec<&str> = over.iter().map(|end| end.order_key.as_str()).collect();
        query(OVER)
            .bind(queue as i16)
            .bind(packed(over.iter().map(|end| &end.tenant)))
            .bind(json(&keys)?)
            .execute(connection)?;
    }
    if ready.is_empty() {
        return Ok(false);
    }
    let keys: Vec<&str> = led.iter().map(|(end, _)| end.order_key.as_str()).collect();
    query(LEAD)
        .bind(queue as i16)
        .bind(packed(led.iter().map(|(end, _)| &end.tenant)))
        .bind(json(&keys)?)
        .bind(packed(led.iter().map(|(_, id)| id)))
        .bind(json(&places)?)
        .execute(connection)?;
    make_ready(connection, ready)?;
    Ok(true)
}

//! Jobs whose time has come.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use uuid::Uuid;

use super::statements::{by_name, query};
use super::{json, packed};

/// The longest run; a run is what one claim cuts from, and shorter ones let several claims work side by side.
pub(super) const RUN_MAX: i64 = 128;

/// A job that becomes ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) lane: i16,
    /// Empty for none.
    pub(super) limit_key: String,
    pub(super) tenant: Uuid,
    pub(super) seq: i64,
}

by_name!(Place {
    lane,
    limit_key,
    tenant,
    seq
});

/// Makes jobs ready: neighbours become runs, and their limit keys are marked.
pub(super) fn make_ready(connection: &Connection, places: Vec<Place>) -> Result<(), sqlx::Error> {
    // `$1` [index of the tenant, lane, first seq, length, limit key], `$2` tenants, `$3` [lane, limit key]
    const READY: &str = "
        INSERT INTO queue_ready (lane, limit_key, tenant, pos, n)
            SELECT value ->> 1, value ->> 4, substr($2, 16 * (value ->> 0) + 1, 16), value ->> 2, value ->> 3
            FROM json_each($1);
        INSERT INTO queue_turns (lane, limit_key)
            SELECT value ->> 0, value ->> 1 FROM json_each($3) WHERE true ON CONFLICT DO NOTHING";
    if places.is_empty() {
        return Ok(());
    }
    let mut seqs: BTreeMap<(i16, String, Uuid), Vec<i64>> = BTreeMap::new();
    for place in places {
        seqs.entry((place.lane, place.limit_key, place.tenant))
            .or_default()
            .push(place.seq);
    }
    seqs.values_mut().for_each(|seqs| seqs.sort_unstable());
    let tenants = packed(seqs.keys().map(|(_, _, tenant)| tenant));
    let mut runs = Vec::new();
    for (index, ((lane, key, _), seqs)) in seqs.iter().enumerate() {
        let islands = islands(seqs).into_iter();
        runs.extend(islands.map(|(pos, n)| (index, *lane, pos, n, key.as_str())));
    }
    let marked: BTreeSet<(i16, &str)> = seqs.keys().map(|(lane, key, _)| (*lane, key.as_str())).collect();
    let marked: Vec<_> = marked.into_iter().filter(|(_, key)| !key.is_empty()).collect();
    query(READY)
        .bind(json(&runs)?)
        .bind(tenants)
        .bind(json(&marked)?)
        .execute(connection)?;
    Ok(())
}

/// Sequences of consecutive numbers in `seqs`, which must be ascending, as `(first, length)`.
fn islands(seqs: &[i64]) -> Vec<(i64, i64)> {
    let mut islands: Vec<(i64, i64)> = Vec::new();
    for &seq in seqs {
        match islands.last_mut() {
            Some((first, length)) if *first + *length == seq && *length < RUN_MAX => *length += 1,
            _ => islands.push((seq, 1)),
        }
    }
    islands
}

//! Letters whose last error has a text in it.
//!
//! No index helps with a text, so a page is found in one of two ways. If few failures have it, the statement looks at all of
//! them, which takes a fraction of a second for a million, and the letters are among theirs. If many have it, one letter
//! after the other is looked at until the page is full, but no more than [`LOOKED_MAX`]: then the page is short, and its cursor
//! goes on.

use std::collections::HashSet;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::super::pool::broken;
use super::{Among, Connection, DeadRow, LETTER, Paged, Span, last_errors};
use crate::backend::BATCH_MAX;
use crate::clock::Millis;
use crate::wording::Wording;

/// More failures than this are many.
const FEW_MAX: usize = 10_000;

/// The most letters that one page is looked for among.
const LOOKED_MAX: usize = 4 * BATCH_MAX;

/// A letter without what makes it large.
#[derive(FromRow)]
struct Place {
    died_at: Millis,
    id: Uuid,
    bucket: Option<i64>,
}

pub(super) async fn page(
    connection: &mut Connection<'_>,
    among: &Among,
    text: &Wording,
    span: Span,
) -> Result<Paged, sqlx::Error> {
    match failed_with(connection, text).await? {
        Some(ids) => of_few(connection, among, text, span, ids).await,
        None => of_many(connection, among, text, span).await,
    }
}

/// The jobs that failed with the text, in whichever attempt, and maybe others; `None` if they are many.
async fn failed_with(connection: &mut Connection<'_>, text: &Wording) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    // Capitals of ASCII, whatever language the database speaks.
    const POSTGRES: &str = r#"SELECT id FROM queue_errors WHERE strpos(lower(error COLLATE "C"), $1) > 0 LIMIT $2"#;
    const SQLITE: &str = "SELECT id FROM queue_errors WHERE instr(lower(error), $1) > 0 LIMIT $2";
    let part = text.plain_part();
    if part.is_empty() {
        return Ok(None);
    }
    let limit = i64::try_from(FEW_MAX + 1).unwrap_or(i64::MAX);
    let found: Vec<Uuid> = match connection {
        Connection::Postgres(inner) => {
            let query = sqlx::query_scalar(POSTGRES).bind(part).bind(limit);
            query.fetch_all(&mut **inner).await?
        }
        Connection::Sqlite(inner) => {
            let query = sqlx::query_scalar(SQLITE).bind(part).bind(limit);
            query.fetch_all(&mut **inner).await?
        }
    };
    Ok((found.len() <= FEW_MAX).then_some(found))
}

/// A page of those of these jobs that are letters and have the text in their last error.
async fn of_few(
    connection: &mut Connection<'_>,
    among: &Among,
    text: &Wording,
    span: Span,
    ids: Vec<Uuid>,
) -> Result<Paged, sqlx::Error> {
    let ids: Vec<Uuid> = ids.into_iter().collect::<HashSet<_>>().into_iter().collect();
    let mut places = places(connection, &ids).await?;
    places.retain(|place| {
        (place.died_at, place.id) < span.before && place.died_at >= span.since && among.takes(place.bucket)
    });
    places.sort_unstable_by_key(|place| std::cmp::Reverse((place.died_at, place.id)));
    let mut found = Vec::new();
    for places in places.chunks(BATCH_MAX) {
        let ids: Vec<Uuid> = places.iter().map(|place| place.id).collect();
        let errors = last_errors(connection, &ids).await?;
        found.extend(ids.into_iter().filter(|id| text.is_in_last(errors.get(id))));
        if found.len() > span.limit {
            break;
        }
    }
    let goes_on = found.len() > span.limit;
    found.truncate(span.limit);
    let letters = letters(connection, &found).await?;
    let next_cursor = letters.last().filter(|_| goes_on).map(DeadRow::cursor);
    Ok((letters, next_cursor))
}

/// A page of letters that are looked at one after the other.
async fn of_many(
    connection: &mut Connection<'_>,
    among: &Among,
    text: &Wording,
    mut span: Span,
) -> Result<Paged, sqlx::Error> {
    let wanted = std::mem::replace(&mut span.limit, BATCH_MAX);
    // So many of each of many buckets would be far more than are looked at.
    let unmerged = match among {
        Among::Few(buckets) if buckets.len() > LOOKED_MAX / BATCH_MAX => {
            Some(Among::Many(buckets.iter().copied().collect()))
        }
        _ => None,
    };
    let among = unmerged.as_ref().unwrap_or(among);
    let mut found = Vec::new();
    for _ in 0..LOOKED_MAX / BATCH_MAX {
        let (looked, next_cursor) = among.page(connection, &span).await?;
        let ids: Vec<Uuid> = looked.iter().map(|letter| letter.id).collect();
        let errors = last_errors(connection, &ids).await?;
        found.extend(
            looked
                .into_iter()
                .filter(|letter| text.is_in_last(errors.get(&letter.id))),
        );
        if found.len() > wanted {
            found.truncate(wanted);
            let last = found.last().map(DeadRow::cursor);
            return Ok((found, last));
        }
        let Some(cursor) = next_cursor else {
            return Ok((found, None));
        };
        span.before = super::rows::dead_cursor(Some(&cursor))?;
    }
    let cursor = format!("{}_{}", span.before.0, span.before.1);
    Ok((found, Some(cursor)))
}

async fn places(connection: &mut Connection<'_>, ids: &[Uuid]) -> Result<Vec<Place>, sqlx::Error> {
    const PLACES: &str = "SELECT d.died_at, d.id, d.bucket FROM queue_dead d";
    of_ids(connection, PLACES, ids).await
}

/// These letters, the latest death first.
async fn letters(connection: &mut Connection<'_>, ids: &[Uuid]) -> Result<Vec<DeadRow>, sqlx::Error> {
    of_ids(connection, LETTER, ids).await
}

async fn of_ids<T>(connection: &mut Connection<'_>, select: &str, ids: &[Uuid]) -> Result<Vec<T>, sqlx::Error>
where
    T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
{
    const ORDER: &str = "ORDER BY d.died_at DESC, d.id DESC";
    match connection {
        Connection::Postgres(inner) => {
            let query = format!("{select} WHERE d.id = ANY($1) {ORDER}");
            let query = sqlx::query_as(AssertSqlSafe(query)).bind(ids);
            query.fetch_all(&mut **inner).await
        }
        Connection::Sqlite(inner) => {
            let query = format!("{select} WHERE d.id IN (SELECT unhex(value) FROM json_each($1)) {ORDER}");
            let ids: Vec<String> = ids.iter().map(|id| id.simple().to_string()).collect();
            let ids = serde_json::to_string(&ids).map_err(broken)?;
            let query = sqlx::query_as(AssertSqlSafe(query)).bind(ids);
            query.fetch_all(&mut **inner).await
        }
    }
}

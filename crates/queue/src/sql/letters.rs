//! Dead letters by what they died of: buckets, and looking.
//!
//! A *bucket* is what died in one queue of one tenant and belongs to one group. Its row counts its letters, and each letter
//! names its bucket, so that the letters of any filter are those of some buckets, each of them in the order of its deaths,
//! and groups are sums over a few rows.
//!
//! **A letter is put into its bucket** by the next sweep, or before that by whoever looks by bucket: what makes a job dead has
//! to be fast, and cannot strip errors. Until then its bucket is NULL, as that of letters that are older than buckets are.
//!
//! **Buckets' rows are locked last** in any transaction, in the order of group, queue and tenant: they are shared by all
//! that die of the same thing.

mod worded;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::inspect::{Connection, on};
use super::rows::{self, DeadRow, ErrorRow};
use super::sqlite::statements::by_name;
use super::texts::storable;
use crate::backend::{BATCH_MAX, DeadFilter, DeadGroup, Failure, GROUPS_MAX, Kept, Page, Reason};
use crate::clock::Millis;
use crate::envelope::{HEAD_BYTES_MAX, kind_of};
use crate::grouping::{GroupId, strip};
use crate::wording::Wording;

/// Letters of more buckets than this are not looked for in each of them, but among all letters.
const MERGED_MAX: usize = 2_000;

/// The buckets that a filter takes; `$1` to `$5` as [`bind_filter!`] gives them.
const TAKEN: &str = "letters > 0 AND (queue = $1 OR $1 IS NULL) AND (tenant = $2 OR $2 IS NULL)
    AND (kind = $3 OR $3 IS NULL) AND (reason = $4 OR $4 IS NULL) AND (grp = $5 OR $5 IS NULL)";

const LETTER: &str =
    "SELECT d.id, d.queue, d.tenant, d.attempts, d.crashes, d.reason, d.died_at, d.limit_key, d.order_key,
        d.holds, d.body, d.bucket
    FROM queue_dead d";

/// Binds what a filter says about buckets.
macro_rules! bind_filter {
    ($query:expr, $filter:expr) => {
        $query
            .bind($filter.queue.map(|queue| queue as i16))
            .bind($filter.tenant)
            .bind($filter.kind.as_deref().map(|kind| storable(kind).into_owned()))
            .bind($filter.reason.map(Reason::name))
            .bind($filter.group.map(|group| group.0))
    };
}

/// A letter that is in no bucket yet.
#[derive(sqlx::FromRow)]
pub(super) struct Loose {
    pub(super) id: Uuid,
    queue: i16,
    tenant: Uuid,
    reason: String,
    /// `None` = nothing.
    head: Option<Vec<u8>>,
}

by_name!(Loose {
    id,
    queue,
    tenant,
    reason,
    head
});

impl Loose {
    /// The columns that a [`Loose`] is made of.
    pub(super) fn columns() -> String {
        format!("id, queue, tenant, reason, substr(body, 1, {HEAD_BYTES_MAX}) AS head")
    }

    /// The bucket it belongs into, given the last of what went wrong.
    pub(super) fn bucket(&self, error: Option<&str>) -> Result<Bucket, sqlx::Error> {
        let reason = rows::reason(&self.reason)?;
        let kind = storable(kind_of(self.head.as_deref().unwrap_or_default())).into_owned();
        let error = error.map(strip).unwrap_or_default();
        Ok(Bucket {
            place: (GroupId::of(&kind, reason, &error).0, self.queue, self.tenant),
            kind,
            reason,
            error,
        })
    }
}

/// What a bucket holds.
pub(super) struct Bucket {
    /// Group, queue, tenant; rows are locked in their order.
    pub(super) place: (i64, i16, Uuid),
    pub(super) kind: String,
    pub(super) reason: Reason,
    pub(super) error: String,
}

/// A bucket's part of a group.
#[derive(sqlx::FromRow)]
struct GroupRow {
    grp: i64,
    kind: String,
    reason: String,
    error: String,
    letters: i64,
    last_died_at: i64,
}

/// Whether letters are in no bucket yet.
pub(super) async fn any_loose(connection: Connection<'_>) -> Result<bool, sqlx::Error> {
    const LOOSE: &str = "SELECT EXISTS (SELECT 1 FROM queue_dead WHERE bucket IS NULL)";
    on!(connection, inner => sqlx::query_scalar(LOOSE).fetch_one(inner).await)
}

/// Whether the filter asks for more than times, so that buckets are needed to answer.
pub(super) fn asks_for_buckets(filter: &DeadFilter) -> bool {
    let times = DeadFilter {
        since: filter.since,
        before: filter.before,
        text: filter.text.clone(),
        ..DeadFilter::default()
    };
    *filter != times
}

/// Where a page begins, and ends.
#[derive(Clone, Copy)]
struct Span {
    /// Before this death, and of those at the same time before this id.
    before: (Millis, Uuid),
    since: Millis,
    limit: usize,
}

impl Span {
    fn limit(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX)
    }
}

pub(super) async fn list(
    mut connection: Connection<'_>,
    filter: &DeadFilter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page, sqlx::Error> {
    let end = filter
        .before
        .map_or((Millis::MAX, Uuid::max()), |before| (before, Uuid::nil()));
    let span = Span {
        before: rows::dead_cursor(cursor)?.min(end),
        since: filter.since.unwrap_or(Millis::MIN),
        limit: limit.clamp(1, BATCH_MAX),
    };
    connection.snapshot().await?;
    let among = Among::of(&mut connection, filter).await?;
    let (letters, next_cursor) = match &filter.text {
        Some(text) => worded::page(&mut connection, &among, &Wording::new(text), span).await?,
        None => among.page(&mut connection, &span).await?,
    };
    let ids: Vec<Uuid> = letters.iter().map(|letter| letter.id).collect();
    let mut errors = last_errors(&mut connection, &ids).await?;
    connection.end().await?;
    let shown = |letter: DeadRow| {
        let errors: Vec<Failure> = errors.remove(&letter.id).into_iter().collect();
        Ok::<_, sqlx::Error>(Kept {
            errors,
            ..letter.kept()?
        })
    };
    let items = letters.into_iter().map(shown).collect::<Result<_, _>>()?;
    Ok(Page { items, next_cursor })
}

/// Among which letters to look.
enum Among {
    All,
    /// Those of these buckets, each by itself.
    Few(Vec<i64>),
    /// Those of these buckets, among all.
    Many(BTreeSet<i64>),
}

impl Among {
    async fn of(connection: &mut Connection<'_>, filter: &DeadFilter) -> Result<Self, sqlx::Error> {
        if !asks_for_buckets(filter) {
            return Ok(Self::All);
        }
        let buckets = taken(connection, filter).await?;
        Ok(if buckets.len() <= MERGED_MAX {
            Self::Few(buckets)
        } else {
            Self::Many(buckets.into_iter().collect())
        })
    }

    fn takes(&self, bucket: Option<i64>) -> bool {
        match self {
            Self::All => true,
            Self::Few(buckets) => bucket.is_some_and(|bucket| buckets.contains(&bucket)),
            Self::Many(buckets) => bucket.is_some_and(|bucket| buckets.contains(&bucket)),
        }
    }

    async fn page(&self, connection: &mut Connection<'_>, span: &Span) -> Result<Paged, sqlx::Error> {
        Ok(match self {
            Self::All => whole_page(all(connection, span).await?, span),
            Self::Few(buckets) => whole_page(merged(connection, buckets, span).await?, span),
            Self::Many(buckets) => among_all(connection, buckets, *span).await?,
        })
    }
}

/// Letters, and where to go on.
type Paged = (Vec<DeadRow>, Option<String>);

async fn taken(connection: &mut Connection<'_>, filter: &DeadFilter) -> Result<Vec<i64>, sqlx::Error> {
    let taken = format!("SELECT id FROM queue_dead_buckets WHERE {TAKEN}");
    on!(connection, inner =>
        bind_filter!(sqlx::query_scalar(AssertSqlSafe(taken)), filter).fetch_all(&mut **inner).await)
}

fn whole_page(letters: Vec<DeadRow>, span: &Span) -> Paged {
    let last = letters.last().filter(|_| letters.len() == span.limit);
    let next_cursor = last.map(DeadRow::cursor);
    (letters, next_cursor)
}

/// Letters of whatever bucket.
async fn all(connection: &mut Connection<'_>, span: &Span) -> Result<Vec<DeadRow>, sqlx::Error> {
    let page = format!(
        "{LETTER} WHERE (d.died_at, d.id) < ($1, $2) AND d.died_at >= $3 ORDER BY d.died_at DESC, d.id DESC LIMIT $4"
    );
    on!(connection, inner =>
        sqlx::query_as(AssertSqlSafe(page)).bind(span.before.0).bind(span.before.1).bind(span.since).bind(span.limit())
            .fetch_all(&mut **inner).await)
}

/// Looks at [`BATCH_MAX`] letters from the cursor on, and takes those of these buckets.
async fn among_all(connection: &mut Connection<'_>, buckets: &BTreeSet<i64>, span: Span) -> Result<Paged, sqlx::Error> {
    let (wanted, span) = (
        span.limit,
        Span {
            limit: BATCH_MAX,
            ..span
        },
    );
    let (looked, mut next_cursor) = whole_page(all(connection, &span).await?, &span);
    let is_taken = |letter: &DeadRow| letter.bucket.is_some_and(|bucket| buckets.contains(&bucket));
    let mut letters: Vec<DeadRow> = looked.into_iter().filter(is_taken).collect();
    if letters.len() > wanted {
        letters.truncate(wanted);
        next_cursor = letters.last().map(DeadRow::cursor);
    }
    Ok((letters, next_cursor))
}

/// A page of each bucket, and of these the first.
async fn merged(connection: &mut Connection<'_>, buckets: &[i64], span: &Span) -> Result<Vec<DeadRow>, sqlx::Error> {
    const POSTGRES: &str = "JOIN (
            SELECT l.id FROM unnest($5::bigint[]) AS b(id), LATERAL (
                SELECT d.id, d.died_at FROM queue_dead d
                WHERE d.bucket = b.id AND (d.died_at, d.id) < ($1, $2) AND d.died_at >= $3
                ORDER BY d.died_at DESC, d.id DESC LIMIT $4) l
            ORDER BY l.died_at DESC, l.id DESC LIMIT $4) page ON page.id = d.id
        ORDER BY d.died_at DESC, d.id DESC";
    const SQLITE: &str = "WHERE d.rowid IN (
            SELECT l.rowid FROM json_each($5) b CROSS JOIN queue_dead l ON l.rowid IN (
                SELECT d.rowid FROM queue_dead d
                WHERE d.bucket = b.value AND (d.died_at, d.id) < ($1, $2) AND d.died_at >= $3
                ORDER BY d.died_at DESC, d.id DESC LIMIT $4)
            ORDER BY l.died_at DESC, l.id DESC LIMIT $4)
        ORDER BY d.died_at DESC, d.id DESC";
    let (before, id) = span.before;
    match connection {
        Connection::Postgres(inner) => {
            sqlx::query_as(AssertSqlSafe(format!("{LETTER} {POSTGRES}")))
                .bind(before)
                .bind(id)
                .bind(span.since)
                .bind(span.limit())
                .bind(buckets)
                .fetch_all(&mut **inner)
                .await
        }
        Connection::Sqlite(inner) => {
            sqlx::query_as(AssertSqlSafe(format!("{LETTER} {SQLITE}")))
                .bind(before)
                .bind(id)
                .bind(span.since)
                .bind(span.limit())
                .bind(serde_json::to_string(buckets).map_err(super::pool::broken)?)
                .fetch_all(&mut **inner)
                .await
        }
    }
}

/// The last failed attempt of each of these jobs that had one. (All of them are read and the last are found here: asked for
/// the highest number of an id, Postgres may well go through all numbers from the highest on.)
pub(super) async fn last_errors(
    connection: &mut Connection<'_>,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Failure>, sqlx::Error> {
    const POSTGRES: &str =
        "SELECT id, attempt, at, error, excerpt FROM queue_errors WHERE id = ANY($1) ORDER BY number";
    const SQLITE: &str = "SELECT id, attempt, at, error, excerpt FROM queue_errors
        WHERE id IN (SELECT unhex(value) FROM json_each($1)) ORDER BY number";
    let rows: Vec<ErrorRow> = match connection {
        Connection::Postgres(inner) => sqlx::query_as(POSTGRES).bind(ids).fetch_all(&mut **inner).await?,
        Connection::Sqlite(inner) => {
            let ids: Vec<String> = ids.iter().map(|id| id.simple().to_string()).collect();
            let ids = serde_json::to_string(&ids).map_err(super::pool::broken)?;
            sqlx::query_as(SQLITE).bind(ids).fetch_all(&mut **inner).await?
        }
    };
    rows.into_iter().map(|row| Ok((row.id, row.failure()?))).collect()
}

/// How many letters of the bucket `b` died from `$6` on and before `$7`. If they are many and the span covers most of the time in
/// which letters came into it, those outside are counted instead.
const COUNTED: &str = "CASE
    WHEN 1000 < (SELECT count(*) FROM (
            SELECT 1 FROM queue_dead d WHERE d.bucket = b.id AND d.died_at >= $6 AND d.died_at < $7 LIMIT 1001) few)
        AND 2 * (CASE WHEN $7 < last THEN $7 ELSE last END - CASE WHEN $6 > first THEN $6 ELSE first END) >= last - first
    THEN b.letters - (SELECT count(*) FROM queue_dead d WHERE d.bucket = b.id AND d.died_at < $6)
        - (SELECT count(*) FROM queue_dead d WHERE d.bucket = b.id AND d.died_at >= $7)
    ELSE (SELECT count(*) FROM queue_dead d WHERE d.bucket = b.id AND d.died_at >= $6 AND d.died_at < $7) END";

/// Sums over the buckets; within a span of time their letters are counted.
pub(super) async fn groups(connection: Connection<'_>, filter: &DeadFilter) -> Result<Vec<DeadGroup>, sqlx::Error> {
    let (count, span) = if filter.since.is_none() && filter.before.is_none() {
        ("b.letters", "$6 <= $7")
    } else {
        (COUNTED, "d.died_at >= $6 AND d.died_at < $7")
    };
    let groups = format!(
        "SELECT grp, kind, reason, error, CAST(sum(letters) AS bigint) AS letters, max(last_died_at) AS last_died_at
        FROM (SELECT b.grp, b.kind, b.reason, b.error, {count} AS letters, (
                SELECT max(d.died_at) FROM queue_dead d WHERE d.bucket = b.id AND {span}) AS last_died_at
            FROM (SELECT k.*, (SELECT min(d.died_at) FROM queue_dead d WHERE d.bucket = k.id) AS first,
                    (SELECT max(d.died_at) FROM queue_dead d WHERE d.bucket = k.id) AS last
                FROM (SELECT * FROM queue_dead_buckets WHERE {TAKEN}) k) b) parts
        WHERE letters > 0 AND last_died_at IS NOT NULL
        GROUP BY grp, kind, reason, error ORDER BY 5 DESC, grp LIMIT $8"
    );
    let shown_max = i64::try_from(GROUPS_MAX).unwrap_or(i64::MAX);
    let rows: Vec<GroupRow> = on!(connection, inner =>
        bind_filter!(sqlx::query_as(AssertSqlSafe(groups)), filter)
            .bind(filter.since.unwrap_or(Millis::MIN))
            .bind(filter.before.unwrap_or(Millis::MAX))
            // A text is looked for below, in all of them.
            .bind(filter.text.as_ref().map_or(shown_max, |_| i64::MAX))
            .fetch_all(inner)
            .await?);
    let groups = rows.into_iter().map(|row| {
        Ok(DeadGroup {
            id: GroupId(row.grp),
            kind: row.kind,
            reason: rows::reason(&row.reason)?,
            error: row.error,
            count: row.letters.unsigned_abs(),
            last_died_at: row.last_died_at,
        })
    });
    let mut groups: Vec<DeadGroup> = groups.collect::<Result<_, sqlx::Error>>()?;
    if let Some(text) = filter.text.as_deref().map(Wording::new) {
        groups.retain(|group| text.is_in_group(group));
        groups.truncate(GROUPS_MAX);
    }
    Ok(groups)
}

/// The buckets of loose letters, in the order in which they are locked, each with how many come into it.
pub(super) fn filled(buckets: Vec<Bucket>) -> Vec<(Bucket, i64)> {
    let mut filled: BTreeMap<(i64, i16, Uuid), (Bucket, i64)> = BTreeMap::new();
    for bucket in buckets {
        filled.entry(bucket.place).or_insert_with(|| (bucket, 0)).1 += 1;
    }
    filled.into_values().collect()
}

/// How many buckets count wrong, or are named by letters and are not there.
pub(super) const MISCOUNTED: &str = "SELECT
    (SELECT count(*) FROM queue_dead_buckets b
        WHERE b.letters <> (SELECT count(*) FROM queue_dead d WHERE d.bucket = b.id))
    + (SELECT count(DISTINCT d.bucket) FROM queue_dead d
        WHERE d.bucket IS NOT NULL AND NOT EXISTS (SELECT 1 FROM queue_dead_buckets b WHERE b.id = d.bucket))";

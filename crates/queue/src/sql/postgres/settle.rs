//! Writing down how runs ended, and keeping leases.

use std::collections::HashSet;

use sqlx::{Connection as _, PgConnection};

use super::super::outcome::{self, Gone, cooled, cools, error, excerpt, in_lines, kind, label, leaves_line, run_at};
use super::super::ring::lanes;
use super::limits;
use super::lines;
use super::pieces::{make_ready, make_room};
use crate::backend::{Outcome, Reason, Settle};
use crate::clock::{Millis, day};
use crate::job::Queue;

/// For the usual case: everything done at the first attempt, on the day it was added. Locking the lease waits for
/// whoever takes it away at this moment; then it is gone and its jobs are not touched.
const DONE: &str = "
WITH held AS MATERIALIZED (SELECT id FROM queue_leases WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE),
finished AS (DELETE FROM queue_leases WHERE id = ANY($4))
DELETE FROM queue_jobs WHERE seq = ANY(ARRAY(
    SELECT s.seq FROM unnest($2::bigint[], $3::bigint[]) AS s(seq, lease) JOIN held ON held.id = s.lease))
RETURNING seq";

/// The same for jobs of which some have keys.
const DONE_KEYED: &str = concat!(
    "
WITH held AS MATERIALIZED (SELECT id FROM queue_leases WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE),
finished AS (DELETE FROM queue_leases WHERE id = ANY($4)),
gone AS (
    DELETE FROM queue_jobs WHERE seq = ANY(ARRAY(
        SELECT s.seq FROM unnest($2::bigint[], $3::bigint[]) AS s(seq, lease) JOIN held ON held.id = s.lease))
    RETURNING seq, limit_key),
freed AS (SELECT limit_key FROM gone),
",
    make_room!("$5", "$6"),
    ",
told AS MATERIALIZED (SELECT pg_notify('queue_wake', $7) FROM (SELECT FROM room LIMIT 1) woken)
SELECT gone.seq, 0::smallint FROM gone CROSS JOIN (SELECT count(told) FROM told) told"
);

/// For every other mixture. A job that goes on gets a new `seq`, so that it does not belong to this lease any more; one
/// that is released gets one before everything that waits, as it has waited already. A key that ends or moves on a later
/// day than its job was added is remembered from then. One that was cancelled does not go on: the lease's row says so,
/// whose lock gives its newest version, where a table of its own would be seen as it was before we waited.
const MIXED: &str = concat!(
    "
WITH input AS MATERIALIZED (
    SELECT * FROM unnest($2::bigint[], $3::bigint[], $5::smallint[], $6::bigint[], $7::text[], $8::text[], $9::bool[],
            $16::text[])
        WITH ORDINALITY AS i(seq, lease, kind, run_at, error, label, late, excerpt, o)),
held AS MATERIALIZED (SELECT id, cancelled FROM queue_leases WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE),
finished AS (DELETE FROM queue_leases WHERE id = ANY($4)),
mine AS MATERIALIZED (
    SELECT seq, run_at, error, excerpt, late, o, CASE WHEN doomed THEN 1 ELSE kind END::smallint AS kind,
        CASE WHEN doomed THEN $12 ELSE label END AS label
    FROM (SELECT input.*, input.kind >= 2 AND input.seq = ANY(held.cancelled) AS doomed
          FROM input JOIN held ON held.id = input.lease) mine),
base AS MATERIALIZED (SELECT nextval('queue_blocks') AS back, nextval('queue_front') AS front),
ended AS (
    DELETE FROM queue_jobs j USING mine
    WHERE j.seq = mine.seq AND mine.kind <= 1
    RETURNING mine.seq, mine.kind, mine.error, mine.excerpt, mine.label, mine.late,
        j.id, j.queue, j.tenant, j.attempts, j.crashes, j.limit_key, j.order_key, j.holds, j.body),
moved AS (
    UPDATE queue_jobs j SET
        seq = CASE WHEN mine.kind = 4 THEN base.front - 1024 + mine.o ELSE base.back + mine.o END,
        attempts = j.attempts + (mine.error IS NOT NULL)::integer,
        run_at = mine.run_at
    FROM mine CROSS JOIN base WHERE j.seq = mine.seq AND mine.kind >= 2
    RETURNING mine.seq AS old, mine.kind, mine.error, mine.excerpt, mine.label,
        j.seq, j.run_at, j.id, j.queue, j.tenant, j.attempts, j.crashes, j.limit_key, j.order_key),
dead AS (
    INSERT INTO queue_dead
        (id, queue, crashes, attempts, died_at, tenant, reason, body, limit_key, order_key, holds)
    SELECT id, queue, crashes, attempts + (error IS NOT NULL)::integer, $10, tenant, label, body,
        limit_key, order_key, holds
    FROM ended WHERE kind = 1),
failed AS (
    INSERT INTO queue_errors (id, attempt, at, error, excerpt)
    SELECT id, attempts + 1, $10, error, excerpt FROM ended WHERE error IS NOT NULL
    UNION ALL SELECT id, attempts, $10, error, excerpt FROM moved WHERE error IS NOT NULL),
forgiven AS (DELETE FROM queue_errors e USING ended WHERE e.id = ended.id AND ended.kind = 0),
unmarked AS (DELETE FROM queue_cancels c USING ended WHERE c.id = ended.id),
late AS (UPDATE queue_keys k SET day = GREATEST(k.day, $11) FROM ended WHERE k.id = ended.id AND ended.late),
followed AS (UPDATE queue_keys k SET seq = moved.seq, day = GREATEST(k.day, $11) FROM moved WHERE k.id = moved.id),
later AS (
    INSERT INTO queue_later (queue, run_at, seq, lane, tenant, limit_key, ordered)
    SELECT queue, run_at, seq, queue + 10 * crashes, tenant, limit_key, order_key IS NOT NULL FROM moved WHERE kind = 2),
parked AS (
    INSERT INTO queue_parked (seq, lane, tenant, gate, limit_key)
    SELECT seq, queue + 10 * crashes, tenant, label, limit_key FROM moved WHERE kind = 3),
start AS MATERIALIZED (
    SELECT (queue + 10 * crashes)::smallint AS lane, COALESCE(limit_key, '') AS limit_key, tenant, seq
    FROM moved WHERE kind = 4),
",
    make_ready!(),
    ",
freed AS (SELECT limit_key FROM ended UNION ALL SELECT limit_key FROM moved),
",
    make_room!("$13", "$14"),
    ",
told AS MATERIALIZED (
    SELECT pg_notify('queue_wake', $15)
    FROM (SELECT FROM moved WHERE kind IN (2, 4) UNION ALL SELECT FROM room LIMIT 1) woken)
SELECT gone.seq, gone.kind FROM (SELECT seq, kind FROM ended UNION ALL SELECT old, kind FROM moved) gone
CROSS JOIN (SELECT count(told) FROM told) told"
);

pub(super) async fn settle(
    connection: &mut PgConnection,
    queue: Queue,
    settles: &[Settle],
    finished: &[i64],
    now: Millis,
) -> Result<Vec<bool>, sqlx::Error> {
    // The finished ones too, so that all leases are locked in one order.
    let mut leases: Vec<i64> = settles
        .iter()
        .map(|settle| settle.ticket.claim)
        .chain(finished.iter().copied())
        .collect();
    leases.sort_unstable();
    leases.dedup();
    let call = Call {
        queue,
        settles,
        finished,
        leases,
        now,
    };
    let mut gone = if settles.iter().any(concerns_others) {
        call.with_others(connection).await?
    } else {
        call.write(connection).await?
    };
    // A job that is settled twice in one call was held once.
    Ok(settles
        .iter()
        .map(|settle| gone.remove(&settle.ticket.seq).is_some())
        .collect())
}

/// Whether more than this job and its limit is changed: its line may have to go on, or its whole key is cooled.
fn concerns_others(settle: &Settle) -> bool {
    settle.keys.order.is_some() || cools(settle).is_some()
}

struct Call<'a> {
    queue: Queue,
    settles: &'a [Settle],
    finished: &'a [i64],
    /// In their order.
    leases: Vec<i64>,
    now: Millis,
}

impl Call<'_> {
    /// In a transaction that locks first what may have to be changed.
    async fn with_others(&self, connection: &mut PgConnection) -> Result<Gone, sqlx::Error> {
        let mut transaction = connection.begin().await?;
        let ordered = in_lines(self.settles.iter());
        if !ordered.is_empty() {
            lines::lock(&mut transaction, &self.leases, self.queue, &ordered).await?;
        }
        let gone = self.write(&mut transaction).await?;
        let ends = in_lines(self.settles.iter().filter(|settle| leaves_line(settle, &gone)));
        lines::follow(&mut transaction, self.queue, &ends).await?;
        limits::cool(&mut transaction, self.queue, &cooled(self.settles, &gone)).await?;
        transaction.commit().await?;
        Ok(gone)
    }

    async fn write(&self, connection: &mut PgConnection) -> Result<Gone, sqlx::Error> {
        let (settles, today) = (self.settles, day(self.now));
        let plain = |settle: &Settle| {
            settle.outcome == Outcome::Done && settle.attempts == 0 && settle.crashes == 0 && settle.added_on >= today
        };
        let seqs: Vec<i64> = settles.iter().map(|settle| settle.ticket.seq).collect();
        let claims: Vec<i64> = settles.iter().map(|settle| settle.ticket.claim).collect();
        if !settles.iter().all(plain) {
            return self.write_mixed(connection, &seqs, &claims).await;
        }
        if settles.iter().all(|settle| settle.keys.is_free()) {
            let gone: Vec<i64> = sqlx::query_scalar(DONE)
                .bind(&self.leases)
                .bind(&seqs)
                .bind(&claims)
                .bind(self.finished)
                .fetch_all(connection)
                .await?;
            return Ok(gone.into_iter().map(|seq| (seq, outcome::DONE)).collect());
        }
        let gone: Vec<(i64, i16)> = sqlx::query_as(DONE_KEYED)
            .bind(&self.leases)
            .bind(&seqs)
            .bind(&claims)
            .bind(self.finished)
            .bind(self.queue as i16)
            .bind(lanes(self.queue))
            .bind((self.queue as i16).to_string())
            .fetch_all(connection)
            .await?;
        Ok(gone.into_iter().collect())
    }

    async fn write_mixed(
        &self,
        connection: &mut PgConnection,
        seqs: &[i64],
        claims: &[i64],
    ) -> Result<Gone, sqlx::Error> {
        let (settles, today) = (self.settles, day(self.now));
        let gone: Vec<(i64, i16)> = sqlx::query_as(MIXED)
            .bind(&self.leases)
            .bind(seqs)
            .bind(claims)
            .bind(self.finished)
            .bind(settles.iter().map(|settle| kind(&settle.outcome)).collect::<Vec<_>>())
            .bind(settles.iter().map(|settle| run_at(&settle.outcome)).collect::<Vec<_>>())
            .bind(settles.iter().map(|settle| error(&settle.outcome)).collect::<Vec<_>>())
            .bind(settles.iter().map(|settle| label(&settle.outcome)).collect::<Vec<_>>())
            .bind(settles.iter().map(|settle| settle.added_on < today).collect::<Vec<_>>())
            .bind(self.now)
            .bind(today)
            .bind(Reason::Cancelled.name())
            .bind(self.queue as i16)
            .bind(lanes(self.queue))
            .bind((self.queue as i16).to_string())
            .bind(settles.iter().map(excerpt).collect::<Vec<_>>())
            .fetch_all(connection)
            .await?;
        Ok(gone.into_iter().collect())
    }
}

pub(super) async fn renew(
    connection: &mut PgConnection,
    claims: &[i64],
    until: Millis,
) -> Result<Vec<i64>, sqlx::Error> {
    // Locked in one order first: an update by itself takes rows as it finds them.
    const RENEW: &str = "
        WITH held AS MATERIALIZED (SELECT id FROM queue_leases WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)
        UPDATE queue_leases l SET until = GREATEST(l.until, $2) FROM held WHERE l.id = held.id RETURNING l.id";
    let held: Vec<i64> = sqlx::query_scalar(RENEW)
        .bind(claims)
        .bind(until)
        .fetch_all(connection)
        .await?;
    let held: HashSet<i64> = held.into_iter().collect();
    Ok(claims.iter().copied().filter(|claim| !held.contains(claim)).collect())
}

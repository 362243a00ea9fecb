//! Parts that several statements have.

/// Needs `start (lane, limit_key, tenant, seq)`, the jobs that have become ready: neighbours become runs, and their limit
/// keys are marked.
macro_rules! make_ready {
    () => {
        "ready AS (
    INSERT INTO queue_ready (lane, limit_key, tenant, pos, n)
    SELECT lane, limit_key, tenant, min(seq), count(*)::integer
    FROM (SELECT lane, limit_key, tenant, seq,
              seq - row_number() OVER (PARTITION BY lane, limit_key, tenant ORDER BY seq) AS island
          FROM start) runs
    GROUP BY lane, limit_key, tenant, island, seq / 128),
turn AS (
    INSERT INTO queue_turns (lane, limit_key) SELECT DISTINCT lane, limit_key FROM start WHERE limit_key <> '')"
    };
}
pub(super) use make_ready;

/// Needs `due (queue, lane, limit_key, tenant, order_key, id, seq, nr)`, the jobs whose time has come, in the order of
/// `nr`; makes `start` of those that may start. A job with an order key joins its line, unless it is its head already.
/// The line's row is locked either way (an update that changes nothing), so that whoever ends the head at this moment
/// either has ended it, and this sees who follows, or waits, and sees who came. Rows are locked in the order of the lines.
/// (Compared by id, which both parts do by hash, because joins of such parts are planned as if they were short.)
macro_rules! join_lines {
    () => {
        "line AS (
    INSERT INTO queue_lines AS l (queue, tenant, order_key, head)
    SELECT DISTINCT ON (queue, tenant, order_key) queue, tenant, order_key, id FROM due WHERE order_key IS NOT NULL
    ORDER BY queue, tenant, order_key, nr
    ON CONFLICT (queue, tenant, order_key) DO UPDATE SET head = l.head
    RETURNING l.head),
behind AS (
    INSERT INTO queue_behind (queue, tenant, order_key, seq)
    SELECT queue, tenant, order_key, seq FROM due
    WHERE order_key IS NOT NULL AND id NOT IN (SELECT head FROM line) ORDER BY nr),
start AS MATERIALIZED (
    SELECT lane, limit_key, tenant, seq FROM due WHERE order_key IS NULL OR id IN (SELECT head FROM line))"
    };
}
pub(super) use join_lines;

/// Needs `freed (limit_key)` of jobs that have left their leases, the parameter with the queue and the one with its
/// lanes; makes `room`. Where jobs of a key with a concurrency wait, the key is marked, as it may have been full. A mark is
/// a new row, so this waits for nobody; and a claim that counts our jobs as running, because we have not committed yet,
/// removes only marks that it saw before.
macro_rules! make_room {
    ($queue:literal, $lanes:literal) => {
        concat!(
            "room AS (
    INSERT INTO queue_turns (lane, limit_key)
    SELECT l.lane, key.limit_key
    FROM (SELECT DISTINCT limit_key FROM freed WHERE limit_key IS NOT NULL) key,
        LATERAL (SELECT 1 FROM queue_limits k
            WHERE k.queue = ",
            $queue,
            " AND k.limit_key = key.limit_key AND k.concurrency IS NOT NULL LIMIT 1) capped,
        unnest(",
            $lanes,
            "::smallint[]) AS l(lane),
        LATERAL (
            (SELECT 1 FROM queue_turns t WHERE t.lane = l.lane AND t.limit_key = key.limit_key LIMIT 1)
            UNION ALL
            (SELECT 1 FROM queue_closed c WHERE c.lane = l.lane AND c.limit_key = key.limit_key LIMIT 1)
            LIMIT 1) waits
    RETURNING lane)"
        )
    };
}
pub(super) use make_room;

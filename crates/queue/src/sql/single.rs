//! Single rows that are written, as both databases say it: pauses, workers, other envelopes.

/// `$1` the gate, `$2` who and since when. An earlier pause stays.
pub(super) const STOP: &str = "INSERT INTO queue_control (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// `$1` the gate.
pub(super) const RESUME: &str = "DELETE FROM queue_control WHERE name = $1";

/// `$1` the session, `$2` what is known of the worker, `$3` until when it lives.
pub(super) const ANNOUNCE: &str = "INSERT INTO queue_workers (session, info, until) VALUES ($1, $2, $3)
    ON CONFLICT (session) DO UPDATE SET info = excluded.info, until = excluded.until";

/// `$1` the job, `$2` its envelope, `$3` the one that it gets instead: the first that finds it. A job that dies between the two
/// is not found, and is dead the next time.
pub(super) const REWRITE: [&str; 2] = [
    "UPDATE queue_jobs SET body = $3
        WHERE seq = (SELECT seq FROM queue_keys WHERE id = $1) AND id = $1 AND body = $2",
    "UPDATE queue_dead SET body = $3 WHERE id = $1 AND body = $2",
];

-- Rows that are valid after migration 0005: a dead letter in its bucket. The one of 0001 is in none yet.

INSERT INTO queue_keys (id, seq, day) VALUES (x'00000007000040008000000000000007', 7, 20454);
INSERT INTO queue_errors (id, attempt, at, error) VALUES (x'00000007000040008000000000000007', 1, 1767225600000, 'no answer after 17 ms');
INSERT INTO queue_dead_buckets (id, grp, queue, tenant, kind, reason, error, letters) VALUES
    (1, -17, 1, x'00000009000040008000000000000009', 'record_email_event', 'attempts', 'no answer after <n> ms', 1);
INSERT INTO queue_dead (id, queue, crashes, attempts, died_at, tenant, reason, body, bucket) VALUES
    (x'00000007000040008000000000000007', 1, 0, 1, 1767225600000, x'00000009000040008000000000000009', 'attempts', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 1);

-- Rows that are valid after migration 0001: a job that is ready, one that runs, one that waits, one behind a gate, one dead.

INSERT INTO queue_keys (id, seq, day) VALUES ('00000001-0000-4000-8000-000000000001', 1, 20454), ('00000002-0000-4000-8000-000000000002', 2, 20454), ('00000003-0000-4000-8000-000000000003', 3, 20454), ('00000004-0000-4000-8000-000000000004', 4, 20454), ('00000005-0000-4000-8000-000000000005', 5, 20454);

INSERT INTO queue_jobs (seq, run_at, attempts, queue, crashes, id, tenant, body) VALUES
    (1, NULL, 0, 1, 0, '00000001-0000-4000-8000-000000000001', '00000009-0000-4000-8000-000000000009', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0'),
    (2, NULL, 1, 1, 0, '00000002-0000-4000-8000-000000000002', '00000009-0000-4000-8000-000000000009', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0'),
    (3, 1767225600000, 2, 1, 1, '00000003-0000-4000-8000-000000000003', '00000009-0000-4000-8000-000000000009', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0'),
    (4, NULL, 0, 2, 0, '00000004-0000-4000-8000-000000000004', '00000009-0000-4000-8000-000000000009', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0');

INSERT INTO queue_ready (lane, tenant, pos, n) VALUES (1, '00000009-0000-4000-8000-000000000009', 1, 1);
INSERT INTO queue_leases (id, lane, session, until, tenants, firsts, lens) VALUES
    (1, 1, '00000008-0000-4000-8000-000000000008', 1767225630000, ARRAY['00000009-0000-4000-8000-000000000009']::uuid[], ARRAY[2], ARRAY[1]);
INSERT INTO queue_later (queue, run_at, seq, lane, tenant) VALUES (1, 1767225600000, 3, 11, '00000009-0000-4000-8000-000000000009');
INSERT INTO queue_parked (seq, lane, tenant, gate) VALUES (4, 2, '00000009-0000-4000-8000-000000000009', 'kind:from_the_future');
INSERT INTO queue_errors (id, attempt, at, error) VALUES ('00000002-0000-4000-8000-000000000002', 1, 1767225600000, 'time-out'), ('00000005-0000-4000-8000-000000000005', 1, 1767225600000, 'refused');
INSERT INTO queue_dead (id, queue, crashes, attempts, died_at, tenant, reason, body) VALUES
    ('00000005-0000-4000-8000-000000000005', 1, 0, 1, 1767225600000, '00000009-0000-4000-8000-000000000009', 'attempts', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0');
INSERT INTO queue_control (name, value) VALUES ('paused:bulk', '1');
INSERT INTO queue_cancels (id, at) VALUES ('00000002-0000-4000-8000-000000000002', 1767225600000);
INSERT INTO queue_counters (queue, kind, name, value) VALUES (1, 'record_email_event', 'done', 17);
INSERT INTO queue_workers (session, info, until) VALUES ('00000008-0000-4000-8000-000000000008', '{}', 1767225630000);

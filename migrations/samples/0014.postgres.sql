-- Rows that are valid after migration 0014: an alert that fires and is told, one that has recovered, counts of an endpoint.

UPDATE alert_watch SET version = 3, looked_at = 1767225700000,
    memory = '{"watched":{"no_worker":{"default":{"since":"2026-01-01T00:00:00Z","alert":"000000b1-0000-4000-8000-0000000000b1"}}}}';

INSERT INTO alerts (id, rule, subject, value, since, fired_at, recovered_at) VALUES
    ('000000b1-0000-4000-8000-0000000000b1', 'no_worker', 'default', 12, 1767225600000, 1767225660000, NULL),
    ('000000b2-0000-4000-8000-0000000000b2', 'no_worker', 'default', 0, 1767220000000, 1767220060000, 1767221000000),
    ('000000b3-0000-4000-8000-0000000000b3', 'circuit_open', '00000021-0000-4000-8000-000000000021', 5, 1767225600000, 1767225630000, NULL);

INSERT INTO alert_notices (alert_id, change, destination, value, made_at, attempts, next_at, told_at) VALUES
    ('000000b1-0000-4000-8000-0000000000b1', 'fired', 'webhook', 12, 1767225660000, 1, NULL, 1767225661000),
    ('000000b1-0000-4000-8000-0000000000b1', 'fired', 'email', 12, 1767225660000, 2, 1767225720000, NULL),
    ('000000b2-0000-4000-8000-0000000000b2', 'recovered', 'webhook', 0, 1767221000000, 12, NULL, NULL);

INSERT INTO alert_totals (destination, outcome, notices) VALUES ('webhook', 'told', 1), ('webhook', 'given_up', 1);

INSERT INTO signature_failures (endpoint_id, minute, failures) VALUES
    ('00000015-0000-4000-8000-000000000015', 29453760, 7),
    ('00000016-0000-4000-8000-000000000016', 29453760, 1);

-- Rows that are valid after migration 0006: bulk actions under way and ended, their letters in every state, an edit.

INSERT INTO bulk_actions
    (id, act, filter, canary, canary_passed_at, rate, state, step, cursor, exhausted, matched, done, ended, failed, asked_by,
     changed_by, created_at, updated_at) VALUES
    ('00000061-0000-4000-8000-000000000061', 'retry', '{"kind":"send_sms"}', 10, 1767225600000, 500, 'running', 3, '1767225600000.x', FALSE, 1000, 210, 190, 2, 'ann', NULL, 1767225600000, 1767225600000),
    ('00000062-0000-4000-8000-000000000062', 'delete', '{}', NULL, NULL, 100, 'cancelled', 1, NULL, TRUE, 5, 5, 0, 0, 'ann', 'bob', 1767225600000, 1767225600000);

INSERT INTO bulk_action_letters (action_id, job_id, state, look_at, reason) VALUES
    ('00000061-0000-4000-8000-000000000061', '00000071-0000-4000-8000-000000000071', 'intended', 1767225600000, NULL),
    ('00000061-0000-4000-8000-000000000061', '00000072-0000-4000-8000-000000000072', 'ready', 1767225600000, NULL),
    ('00000061-0000-4000-8000-000000000061', '00000073-0000-4000-8000-000000000073', 'waiting', 1767225600000, NULL),
    ('00000061-0000-4000-8000-000000000061', '00000074-0000-4000-8000-000000000074', 'failed', 1767225600000, 'attempts: HTTP 503');

INSERT INTO dead_letter_edits (id, job_id, edited_by, edited_at, changes) VALUES
    ('00000081-0000-4000-8000-000000000081', '00000071-0000-4000-8000-000000000071', 'ann', 1767225600000, '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0');

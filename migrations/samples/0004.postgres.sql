-- Rows that are valid after migration 0004: events of two tenants, one without anything told.

INSERT INTO kept_events (id, tenant_id, provider, word, occurred_at, recorded_at, content) VALUES
    ('00000047-0000-4000-8000-000000000047', '00000001-0000-4000-8000-000000000001', 'vapi', 'end-of-call-report', 1767225600000, 1767225601000, '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0'),
    ('00000048-0000-4000-8000-000000000048', '00000002-0000-4000-8000-000000000002', 'green_api', 'stateInstanceChanged', 1767225600000, 1767225600000, '\x');

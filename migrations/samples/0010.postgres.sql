-- Rows that are valid after migration 0010: one key of each of two tenants.

INSERT INTO message_requests (tenant_id, message_id, fingerprint, created_at) VALUES
    ('00000001-0000-4000-8000-000000000001', '000000a1-0000-4000-8000-000000000001', '\xd0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0', 1767225600000),
    ('00000002-0000-4000-8000-000000000002', '000000a1-0000-4000-8000-000000000001', '\xd1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1', 1767225600000);

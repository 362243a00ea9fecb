-- Rows that are valid after migration 0004: events of two tenants, one without anything told.

INSERT INTO kept_events (id, tenant_id, provider, word, occurred_at, recorded_at, content) VALUES
    (x'00000047000040008000000000000047', x'00000001000040008000000000000001', 'vapi', 'end-of-call-report', 1767225600000, 1767225601000, x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0'),
    (x'00000048000040008000000000000048', x'00000002000040008000000000000002', 'green_api', 'stateInstanceChanged', 1767225600000, 1767225600000, x'');

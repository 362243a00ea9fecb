-- Rows that are valid after migration 0010: one key of each of two tenants.

INSERT INTO message_requests (tenant_id, message_id, fingerprint, created_at) VALUES
    (x'00000001000040008000000000000001', x'000000a1000040008000000000000001', x'd0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0', 1767225600000),
    (x'00000002000040008000000000000002', x'000000a1000040008000000000000001', x'd1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1', 1767225600000);

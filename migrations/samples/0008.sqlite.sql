-- Rows that are valid after migration 0008: a lane that asks for the next room of a full key, and one that has been left it.

INSERT INTO queue_closed (lane, limit_key, opens_at, is_full, asks_until) VALUES
    (10, 'full', 1767225601000, 1, 9223372036854775807),
    (20, 'full', 1767225601000, 1, 1767225610000);

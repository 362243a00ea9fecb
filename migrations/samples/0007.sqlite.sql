-- Rows that are valid after migration 0007: an attempt with the call that went wrong. Those of before have none.

INSERT INTO queue_errors (id, attempt, at, error, excerpt) VALUES
    (x'00000007000040008000000000000007', 2, 1767225601000, 'the provider has a fault (http_503)', '{"request":"POST /v3/mail/send (content, from)","response":"503 Service Unavailable"}');

-- Says until when a worker session is announced, and forgets those that are long gone.
-- ARGV: session · until
local session, ends = ARGV[1], tonumber(ARGV[2])
call('ZREMRANGEBYSCORE', queue .. ':sessions', '-inf', ends - 86400000)
call('ZADD', queue .. ':sessions', ARGV[2], session)
return 0

-- ARGV: id. Answers 1, or 0 if there is no such letter.
call('ZREM', queue .. ':dead:at', ARGV[1])
call('HDEL', queue .. ':dead:errors', ARGV[1])
return call('HDEL', queue .. ':dead', ARGV[1])

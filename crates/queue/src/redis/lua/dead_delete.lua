-- ARGV: id. Answers 1, or 0 if there is no such letter.
local id = ARGV[1]
local letter = call('HGET', queue .. ':dead', id)
if not letter then return 0 end
count_gone('deleted', letter)
call('HDEL', queue .. ':dead', id)
call('ZREM', queue .. ':dead:at', id)
call('HDEL', queue .. ':dead:errors', id)
leave_buckets({id})
let_go({id, letter})
wake_others()
return 1

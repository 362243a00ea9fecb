-- ARGV: id · new body ('' = keep it). Answers 1, or 0 if there is no such letter, or a job of the same key lives again.
local id, body = ARGV[1], ARGV[2]
local letter = call('HGET', queue .. ':dead', id)
if not letter or call('HEXISTS', queue .. ':jobs', id) == 1 then return 0 end
if body == '' then body = string.sub(letter, HEAD_BYTES + 2 + string.byte(letter, HEAD_BYTES + 1)) end
local tenant = string.sub(letter, 1, 16)
call('HSET', queue .. ':jobs', id, tenant .. '\0\0\0' .. body)
local failures = call('HGET', queue .. ':dead:errors', id)
if failures then call('HSET', queue .. ':errors', id, failures) end
call('HDEL', queue .. ':dead', id)
call('ZREM', queue .. ':dead:at', id)
call('HDEL', queue .. ':dead:errors', id)
make_ready({'0', tenant, {id}})
wake()
return 1

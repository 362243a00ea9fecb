-- ARGV: id · new body ('' = keep it). Answers 1, or 0 if there is no such letter, or a job of the same key lives again.
local id, body = ARGV[1], ARGV[2]
local letter = call('HGET', queue .. ':dead', id)
if not letter or call('HEXISTS', queue .. ':jobs', id) == 1 then return 0 end
local head = read_head(letter)
if body == '' then body = string.sub(letter, head.bytes + 2 + string.byte(letter, head.bytes + 1)) end
head.crashes = 0
call('HSET', queue .. ':jobs', id, head.tenant .. '\0\0\0' .. string.sub(letter, 20, head.bytes) .. body)
local failures = call('HGET', queue .. ':dead:errors', id)
if failures then call('HSET', queue .. ':errors', id, failures) end
call('HDEL', queue .. ':dead', id)
call('ZREM', queue .. ':dead:at', id)
call('HDEL', queue .. ':dead:errors', id)
leave_buckets({id})

-- Of a line that waited for it, it is the head; of another it becomes the last.
local function may_start()
  if not head.line then return true end
  local first = call('LINDEX', line_of(head.line), 0)
  return first and string.sub(first, 1, 16) == id or join(head.line, {id}, head.limit) == id
end

if may_start() then
  make_ready({place_of(head), {id}})
  wake()
end
return 1

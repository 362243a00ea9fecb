-- ARGV: today · time before which letters are removed. Answers how many days of keys and how many letters went.
local days = 0
for _, day in ipairs(call('SMEMBERS', queue .. ':days')) do
  if tonumber(day) < ARGV[1] - KNOWN_DAYS then
    call('UNLINK', queue .. ':seen:' .. day)
    call('SREM', queue .. ':days', day)
    days = days + 1
  end
end

local ids = call('ZRANGEBYSCORE', queue .. ':dead:at', '-inf', '(' .. ARGV[2], 'LIMIT', 0, BATCH_MAX)
if #ids > 0 then
  local letters = {}
  for index, letter in ipairs(call('HMGET', queue .. ':dead', unpack(ids))) do
    letters[#letters + 1] = ids[index]
    letters[#letters + 1] = letter
    if letter then count_gone('purged', letter) end
  end
  call('HDEL', queue .. ':dead', unpack(ids))
  call('HDEL', queue .. ':dead:errors', unpack(ids))
  call('ZREM', queue .. ':dead:at', unpack(ids))
  leave_buckets(ids)
  let_go(letters)
  wake_others()
end
return {days, #ids}

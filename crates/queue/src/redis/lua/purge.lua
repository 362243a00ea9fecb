-- What is removed is counted, by its kind, in `purged`.
-- ARGV: today · time before which letters are removed. Answers how many days of keys and how many letters went.
local days = 0
for _, day in ipairs(call('SMEMBERS', queue .. ':days')) do
  if tonumber(day) < ARGV[1] - KNOWN_DAYS then
    call('UNLINK', queue .. ':seen:' .. day)
    call('SREM', queue .. ':days', day)
    days = days + 1
  end
end

-- The kind that a letter's envelope names: behind its length, in byte 34 of it.
local function kind_of(letter)
  local bytes = read_head(letter).bytes + 1
  local envelope = bytes + string.byte(letter, bytes) + 1
  local length = string.byte(letter, envelope) == 1 and string.byte(letter, envelope + 33)
  local kind = length and string.sub(letter, envelope + 34, envelope + 33 + length) or ''
  return string.match(kind, '^[%w_]+$') or ''
end

local ids = call('ZRANGEBYSCORE', queue .. ':dead:at', '-inf', '(' .. ARGV[2], 'LIMIT', 0, BATCH_MAX)
if #ids > 0 then
  local letters = {}
  for index, letter in ipairs(call('HMGET', queue .. ':dead', unpack(ids))) do
    letters[#letters + 1] = ids[index]
    letters[#letters + 1] = letter
    if letter then call('HINCRBY', queue .. ':purged', kind_of(letter), 1) end
  end
  call('HDEL', queue .. ':dead', unpack(ids))
  call('HDEL', queue .. ':dead:errors', unpack(ids))
  call('ZREM', queue .. ':dead:at', unpack(ids))
  leave_buckets(ids)
  let_go(letters)
  wake_others()
end
return {days, #ids}

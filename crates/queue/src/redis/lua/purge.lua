-- ARGV: today · time before which letters are removed. Answers how many letters went.
for _, day in ipairs(call('SMEMBERS', queue .. ':days')) do
  if tonumber(day) < ARGV[1] - KNOWN_DAYS then
    call('UNLINK', queue .. ':seen:' .. day)
    call('SREM', queue .. ':days', day)
  end
end
local ids = call('ZRANGEBYSCORE', queue .. ':dead:at', '-inf', '(' .. ARGV[2], 'LIMIT', 0, BATCH_MAX)
if #ids > 0 then
  call('HDEL', queue .. ':dead', unpack(ids))
  call('HDEL', queue .. ':dead:errors', unpack(ids))
  call('ZREM', queue .. ':dead:at', unpack(ids))
end
return #ids

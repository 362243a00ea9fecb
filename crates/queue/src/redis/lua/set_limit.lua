-- ARGV: limit key · now · interval and concurrency ('-' = none) and what else shall be kept with them ('' = no limit)
--       · 1 to forget also until when the key is cooled
local key, now, limit, forgets = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4] == '1'
if limit == '' then
  call('HDEL', queue .. ':limits', key)
else
  call('HSET', queue .. ':limits', key, limit)
end
if forgets then call('ZREM', queue .. ':cooled', key) end
look_at({key})
local known = looked_at[key]
if not known.interval then
  call('HDEL', queue .. ':arrival', key)
elseif known.arrival > 0 then
  -- What was reserved under a slower rate does not hold it up.
  known.arrival = math.min(known.arrival, now * 1000 + AHEAD_US + known.interval)
  call('HSET', queue .. ':arrival', key, string.format('%.0f', known.arrival))
end
reopen({key}, now)
wake_others()
return 0

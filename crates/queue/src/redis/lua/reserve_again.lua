-- ARGV: limit key · when its start should have been · now · until when another is reserved. Answers when it may be instead.
local key, starts_at, now, latest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
look_at({key})
local known = looked_at[key]
now = math.max(now, known.cooled)
if not known.interval then return now end
-- Nothing was reserved after it: it moves, and counts once.
local last = known.arrival - known.interval
if math.ceil(last / 1000) <= starts_at then known.arrival = last end
local instead = start_of(known, now)
if instead <= latest then
  call('HSET', queue .. ':arrival', key, string.format('%.0f', arrival_after(known, 1, now)))
end
return instead

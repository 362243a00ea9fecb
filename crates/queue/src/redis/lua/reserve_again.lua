-- ARGV: limit key · when its start was reserved for · now. Answers when it may be instead.
local key, starts_at, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
look_at({key})
local known = looked_at[key]
if not known.interval then return now end
-- Nothing was reserved after it: it moves, and counts once.
local last = known.arrival - known.interval
if math.ceil(last / 1000) <= starts_at then known.arrival = last end
local instead = start_of(known, now)
call('HSET', queue .. ':arrival', key, string.format('%.0f', arrival_after(known, 1, now)))
return instead

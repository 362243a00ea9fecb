-- ARGV: limit keys. Answers for each: what its limit was set to, its arrival time, until when it is cooled ('' = none), and
-- how many of its jobs run.
local limits = call('HMGET', queue .. ':limits', unpack(ARGV))
local arrivals = call('HMGET', queue .. ':arrival', unpack(ARGV))
local cooled = call('ZMSCORE', queue .. ':cooled', unpack(ARGV))
local rows = {}
for index, key in ipairs(ARGV) do
  local running = call('SCARD', queue .. ':use:' .. key)
  rows[index] = {limits[index] or '', arrivals[index] or '', cooled[index] or '', running}
end
return rows

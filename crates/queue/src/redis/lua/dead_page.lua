-- ARGV: limit · time before which nothing is shown · time and id of the last letter shown before · names of sorted sets.
-- Answers id and time of death of up to so many letters of each set, latest first; of one time, the greater id first.
local limit, since, before, last = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local found = {}

local function show(entries)
  for _, part in ipairs(entries) do found[#found + 1] = part end
  return #entries / 2
end

-- Of those that died at the very time of the last letter shown; how many.
local function same_time(set)
  local ties = call('ZCOUNT', set, before, before)
  if ties == 0 then return 0 end
  local newer, low, high = call('ZCOUNT', set, '(' .. before, '+inf'), 0, ties
  while low < high do
    local middle = math.floor((low + high) / 2)
    local id = call('ZREVRANGE', set, newer + middle, newer + middle)[1]
    if precedes(id, last) then high = middle else low = middle + 1 end
  end
  return show(call('ZREVRANGE', set, newer + low, newer + math.min(low + limit, ties) - 1, 'WITHSCORES'))
end

for index = 5, #ARGV do
  local set = queue .. ARGV[index]
  local left = limit - same_time(set)
  if left > 0 then
    show(call('ZREVRANGEBYSCORE', set, '(' .. before, since, 'WITHSCORES', 'LIMIT', 0, left))
  end
end
return found

-- ARGV: today · of each letter: id, value, time of death, failures ('' = none). Answers 1 for each that is kept, 0 for each
-- whose key is known.
local today, days, answers, kept = tonumber(ARGV[1]), {}, {}, {}
for _, day in ipairs(call('SMEMBERS', queue .. ':days')) do
  if tonumber(day) >= today - KNOWN_DAYS then days[#days + 1] = day end
end

local function is_known(id)
  for _, hash in ipairs({':jobs', ':dead'}) do
    if call('HEXISTS', queue .. hash, id) == 1 then return true end
  end
  for _, day in ipairs(days) do
    if call('SISMEMBER', queue .. ':seen:' .. day, id) == 1 then return true end
  end
  return false
end

for at = 2, #ARGV, 4 do
  local id, letter, died_at, failures = unpack(ARGV, at, at + 3)
  if is_known(id) then
    answers[#answers + 1] = 0
  else
    answers[#answers + 1] = 1
    kept[#kept + 1] = id
    call('HSET', queue .. ':dead', id, letter)
    call('ZADD', queue .. ':dead:at', died_at, id)
    if failures ~= '' then call('HSET', queue .. ':dead:errors', id, failures) end
    loosen(id)
  end
end
if #kept > 0 then remember(kept, ARGV[1]) end
return answers

-- ARGV: today · number of jobs · number of groups · of each group: tenant, number of jobs, due ('' = now)
--       · the ids, group by group · the values for `jobs` in the same order. No id occurs twice.
-- Answers the positions (from 1) of the duplicates.
local today, count, groups = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ids_at = 3 + groups * 3
local values_at = ids_at + count

local known, duplicates = {}, {}
for position, job in ipairs(call('HMGET', queue .. ':jobs', unpack(ARGV, ids_at + 1, values_at))) do
  if job then known[position] = true end
end
for _, day in ipairs(call('SMEMBERS', queue .. ':days')) do
  if tonumber(day) >= today - KNOWN_DAYS then
    for position, ended in ipairs(call('SMISMEMBER', queue .. ':seen:' .. day, unpack(ARGV, ids_at + 1, values_at))) do
      if ended == 1 then known[position] = true end
    end
  end
end

local jobs, scheduled, position, any_ready = {}, {}, 0, false
for group = 0, groups - 1 do
  local tenant, size, due = unpack(ARGV, 4 + group * 3, 6 + group * 3)
  local ready = {}
  for _ = 1, size do
    position = position + 1
    local id = ARGV[ids_at + position]
    if known[position] then
      duplicates[#duplicates + 1] = position
    else
      jobs[#jobs + 1] = id
      jobs[#jobs + 1] = ARGV[values_at + position]
      if due == '' then
        ready[#ready + 1] = id
      else
        scheduled[#scheduled + 1] = due
        scheduled[#scheduled + 1] = id .. tenant .. '0'
      end
    end
  end
  if #ready > 0 then
    make_ready('0', tenant, ready)
    any_ready = true
  end
end
if #jobs > 0 then call('HSET', queue .. ':jobs', unpack(jobs)) end
if #scheduled > 0 and schedule(scheduled) or any_ready then wake() end
return duplicates

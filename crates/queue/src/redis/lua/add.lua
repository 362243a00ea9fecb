-- ARGV: today · number of groups · of each group: tenant, number of jobs, due ('' = now)
--       · group by group, of each job: id, value for `jobs`. No id occurs twice.
-- Answers the positions (from 1) of the duplicates.
local today, groups = tonumber(ARGV[1]), tonumber(ARGV[2])
local jobs_at = 3 + groups * 3
local ids = {}
for index = jobs_at, #ARGV, 2 do ids[#ids + 1] = ARGV[index] end

local known, duplicates = {}, {}
local function is_known(position)
  if not known[position] then
    known[position] = true
    duplicates[#duplicates + 1] = position
  end
end
for position, job in ipairs(call('HMGET', queue .. ':jobs', unpack(ids))) do
  if job then is_known(position) end
end
for _, day in ipairs(call('SMEMBERS', queue .. ':days')) do
  if tonumber(day) >= today - KNOWN_DAYS then
    for position, ended in ipairs(call('SMISMEMBER', queue .. ':seen:' .. day, unpack(ids))) do
      if ended == 1 then is_known(position) end
    end
  end
end
if #duplicates == #ids then return duplicates end

if #duplicates == 0 then
  call('HSET', queue .. ':jobs', unpack(ARGV, jobs_at))
else
  local jobs = {}
  for position, id in ipairs(ids) do
    if not known[position] then
      jobs[#jobs + 1] = id
      jobs[#jobs + 1] = ARGV[jobs_at + position * 2 - 1]
    end
  end
  call('HSET', queue .. ':jobs', unpack(jobs))
end

local lists, scheduled, last = {}, {}, 0
for group = 0, groups - 1 do
  local tenant, size, due = unpack(ARGV, 3 + group * 3, 5 + group * 3)
  local fresh = {}
  for position = last + 1, last + size do
    if not known[position] then fresh[#fresh + 1] = ids[position] end
  end
  last = last + size
  if due ~= '' then
    for _, id in ipairs(fresh) do
      scheduled[#scheduled + 1] = due
      scheduled[#scheduled + 1] = id .. tenant .. '0'
    end
  elseif #fresh > 0 then
    lists[#lists + 1] = '0'
    lists[#lists + 1] = tenant
    lists[#lists + 1] = fresh
  end
end
make_ready(lists)
if #scheduled > 0 and schedule(scheduled) or #lists > 0 then wake() end
return duplicates

-- ARGV: today · number of groups · of each group: place, number of jobs, due ('' = now), order key ('' = none)
--       · group by group, of each job: id, value for `jobs`. No id occurs twice; jobs of a line are in their order.
-- Answers the positions (from 1) of the duplicates.
local today, groups = tonumber(ARGV[1]), tonumber(ARGV[2])
local jobs_at = 3 + groups * 4
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

local lists, scheduled, newcomers, last = {}, {}, {}, 0
for group = 0, groups - 1 do
  local place, size, due, order = unpack(ARGV, 3 + group * 4, 6 + group * 4)
  local fresh = {}
  for position = last + 1, last + size do
    if not known[position] then fresh[#fresh + 1] = ids[position] end
  end
  last = last + size
  if due ~= '' then
    for _, id in ipairs(fresh) do
      if order ~= '' then newcomers[#newcomers + 1] = id end
      scheduled[#scheduled + 1] = due
      scheduled[#scheduled + 1] = order == '' and id .. place or id
    end
  elseif #fresh > 0 then
    if order ~= '' then
      fresh = {join(string.sub(place, 2, 17) .. order, fresh, string.sub(place, 18))}
    end
    if #fresh > 0 then
      lists[#lists + 1] = place
      lists[#lists + 1] = fresh
    end
  end
end
make_ready(lists)

-- Of the same due time, those that were added first join their lines first: members of a sorted set with one score are in
-- the order of their bytes.
if #newcomers > 0 then
  local first, numbered, joining = call('INCRBY', queue .. ':seq', #newcomers) - #newcomers, {}, {}
  for index, id in ipairs(newcomers) do
    local number = string.format('%016.0f', first + index)
    numbered[id] = number .. id
    joining[#joining + 1] = id
    joining[#joining + 1] = number
  end
  for index = 2, #scheduled, 2 do scheduled[index] = numbered[scheduled[index]] or scheduled[index] end
  call('HSET', queue .. ':joining', unpack(joining))
end
if #scheduled > 0 and schedule(scheduled) or #lists > 0 then wake() end
return duplicates

-- How jobs move; for the scripts that write.

-- Leaves the one token that wakes one worker process.
local function wake()
  if call('EXISTS', queue .. ':wake') == 0 then
    call('RPUSH', queue .. ':wake', '1')
  end
end

-- To the end of their lists. `lists` has lane, tenant and ids, again and again. A tenant whose list was empty goes to
-- the end of the lane's ring.
local function make_ready(lists)
  local joining = {}
  for index = 1, #lists, 3 do
    local lane, tenant, ids = lists[index], lists[index + 1], lists[index + 2]
    if call('RPUSH', waiting(lane, tenant), unpack(ids)) == #ids then
      joining[lane] = joining[lane] or {}
      table.insert(joining[lane], tenant)
    end
  end
  for lane, tenants in pairs(joining) do
    call('RPUSH', queue .. ':ring:' .. lane, unpack(tenants))
  end
end

-- `members` are ids, each followed by the job's place.
local function make_ready_in_places(members)
  local lists, ids_at = {}, {}
  for _, member in ipairs(members) do
    local place = string.sub(member, 17)
    if not ids_at[place] then
      ids_at[place] = {}
      lists[#lists + 1] = string.sub(place, 17)
      lists[#lists + 1] = string.sub(place, 1, 16)
      lists[#lists + 1] = ids_at[place]
    end
    table.insert(ids_at[place], string.sub(member, 1, 16))
  end
  make_ready(lists)
end

-- `scored` is due time, member, due time, member, … Answers whether the first due time is another now.
local function schedule(scored)
  local first = call('ZRANGE', queue .. ':sched', 0, 0, 'WITHSCORES')[2]
  call('ZADD', queue .. ':sched', unpack(scored))
  return call('ZRANGE', queue .. ':sched', 0, 0, 'WITHSCORES')[2] ~= first
end

-- Makes at most `limit` due jobs ready; answers how many.
local function promote(now, limit)
  local due = call('ZRANGEBYSCORE', queue .. ':sched', '-inf', now, 'LIMIT', 0, limit)
  if #due > 0 then
    call('ZREM', queue .. ':sched', unpack(due))
    make_ready_in_places(due)
  end
  return #due
end

-- Remembers that these jobs ended on that day. The key expires by itself, well after `purge` should have removed it.
local function remember(ids, day)
  local seen = queue .. ':seen:' .. day
  call('SADD', seen, unpack(ids))
  if call('TTL', seen) < 0 then
    call('EXPIRE', seen, (KNOWN_DAYS + 2) * 86400)
    call('SADD', queue .. ':days', day)
  end
end

-- The jobs are over: nothing stays but their keys.
local function finish(ids, day)
  call('HDEL', queue .. ':jobs', unpack(ids))
  if call('EXISTS', queue .. ':errors') == 1 then
    call('HDEL', queue .. ':errors', unpack(ids))
  end
  if call('EXISTS', queue .. ':cancelled') == 1 then
    call('SREM', queue .. ':cancelled', unpack(ids))
  end
  remember(ids, day)
end

-- Adds a failure (a JSON object) to the job's list.
local function note(id, failure)
  local failures = call('HGET', queue .. ':errors', id)
  failures = failures and string.sub(failures, 1, -2) .. ',' .. failure .. ']' or '[' .. failure .. ']'
  call('HSET', queue .. ':errors', id, failures)
end

-- Makes a dead letter of a job, with its failures.
local function bury(id, head, body, reason, now, day)
  call('HSET', queue .. ':dead', id, head .. string.char(#reason) .. reason .. body)
  call('ZADD', queue .. ':dead:at', now, id)
  local failures = call('HGET', queue .. ':errors', id)
  if failures then
    call('HSET', queue .. ':dead:errors', id, failures)
  else
    call('HDEL', queue .. ':dead:errors', id)
  end
  finish({id}, day)
end

-- A lease ends with the last job of its claim.
local function drop_lease_if_empty(claim)
  if call('EXISTS', queue .. ':run:' .. claim) == 0 then
    call('ZREM', queue .. ':leases', claim)
    call('HDEL', queue .. ':holders', claim)
  end
end

-- How jobs move; for the scripts that write.

-- `scored` is due time, member, due time, member, … Answers whether the first due time is another now.
local function schedule(scored)
  local first = call('ZRANGE', queue .. ':sched', 0, 0, 'WITHSCORES')[2]
  call('ZADD', queue .. ':sched', unpack(scored))
  return call('ZRANGE', queue .. ':sched', 0, 0, 'WITHSCORES')[2] ~= first
end

-- Jobs of lines whose time has come for the first time: they join their lines. Adds those that may start to `ready`.
local function join_lines(ids, ready)
  call('HDEL', queue .. ':joining', unpack(ids))
  for index, job in ipairs(call('HMGET', queue .. ':jobs', unpack(ids))) do
    local head = job and read_head(job)
    local id = head and join(head.line, {ids[index]}, head.limit)
    if id then ready[#ready + 1] = id .. place_of(head) end
  end
end

-- Makes at most `limit` due jobs ready; answers how many.
local function promote(now, limit)
  local due = call('ZRANGEBYSCORE', queue .. ':sched', '-inf', now, 'LIMIT', 0, limit)
  if #due > 0 then
    call('ZREM', queue .. ':sched', unpack(due))
    local ready, newcomers = {}, {}
    for _, member in ipairs(due) do
      if #member == NEWCOMER_BYTES then
        newcomers[#newcomers + 1] = string.sub(member, 17)
      else
        ready[#ready + 1] = member
      end
    end
    if #newcomers > 0 then join_lines(newcomers, ready) end
    make_ready_in_places(ready)
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

-- The jobs are over: nothing stays but their keys. Their lines are left to the caller.
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

-- Makes a dead letter of a job, with its failures. `job` is its value as it shall be kept.
local function bury(id, job, reason, now, day)
  local head, namesake = read_head(job), call('HGET', queue .. ':dead', id)
  local front, body = string.sub(job, 1, head.bytes), string.sub(job, head.bytes + 1)
  call('HSET', queue .. ':dead', id, front .. string.char(#reason) .. reason .. body)
  call('ZADD', queue .. ':dead:at', now, id)
  if namesake then leave_buckets({id}) end
  loosen(id)
  local failures = call('HGET', queue .. ':errors', id)
  if failures then
    call('HSET', queue .. ':dead:errors', id, failures)
  else
    call('HDEL', queue .. ':dead:errors', id)
  end
  finish({id}, day)
  -- A letter of long ago with the same id is overwritten; one that held this very line would not have let it start.
  if namesake then
    count_gone('deleted', namesake)
    if read_head(namesake).line ~= head.line then let_go({id, namesake}) end
  end
  if head.line and not head.holds then follow({head.line, id}) end
end

-- A gate is known by its name as long as jobs are behind it.
local function forget_gate_if_empty(gate)
  if call('EXISTS', queue .. ':gate:' .. gate) == 0 then
    call('SREM', queue .. ':gates', gate)
  end
end

-- A lease ends with the last job of its claim.
local function drop_lease_if_empty(claim)
  if call('EXISTS', queue .. ':run:' .. claim) == 0 then
    call('ZREM', queue .. ':leases', claim)
    call('HDEL', queue .. ':holders', claim)
  end
end

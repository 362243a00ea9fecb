-- How jobs are taken.

-- A number never issued before, as text (Lua would round it). Ahead of the clock's microseconds, so that a replica that
-- becomes the master without having heard of the last claims does not issue theirs again.
local function next_claim(now)
  local claim, least = call('INCR', queue .. ':seq'), now * 1000
  if claim < least then
    claim = least
    call('SET', queue .. ':seq', string.format('%.0f', claim))
  end
  return string.format('%.0f', claim)
end

-- Ids this script takes; those of them that count under a key; keys that it closes; keys of which it took the room that its
-- lane had asked for; and of ids whose start is reserved by a rate: positions in `taken`, each with its instant.
local taken, started, closing, answered, reserved = {}, {}, {}, {}, {}

-- `ids` were taken last.
local function start(key, ids, now, lane)
  local known, of_key = looked_at[key], started[key] or {}
  if known.asks[lane] then
    ask(known, key, lane, nil)
    answered[key] = true
  end
  if known.interval then
    for index = 1, #ids do
      reserved[#reserved + 1] = #taken - #ids + index
      reserved[#reserved + 1] = start_of(known, now)
      known.arrival = arrival_after(known, 1, now)
    end
  end
  if known.concurrency then known.running = known.running + #ids end
  for index = 1, #ids do of_key[#of_key + 1] = ids[index] end
  started[key] = of_key
end

-- Takes up to `most` jobs that wait under a member of the ring. Answers whether there are others, and whether it took any.
local function visit(lane, member, most, now)
  local list, limit = waiting(lane .. member), string.sub(member, 17)
  local ids = most > 0 and call('LPOP', list, most) or {}
  for index = 1, #ids do taken[#taken + 1] = ids[index] end
  if limit ~= '' and #ids > 0 then start(limit, ids, now, tonumber(lane)) end
  local has_others = #ids == most and (most == 0 or call('EXISTS', list) == 1)
  return has_others, #ids > 0
end

-- A lane after the first asks for the next room of a key that is full.
local function ask_if_full(lane, key, now)
  local known, number = looked_at[key], tonumber(lane)
  local is_full = known.concurrency and known.concurrency > 0 and known.running >= known.concurrency
  if is_full and number > 0 and (known.asks[number] or 0) <= now then ask(known, key, number, math.huge) end
end

-- Members that have other jobs take their next turn at the ring's end, or wait for their key to open.
local function put_back(lane, members, now)
  local again = {}
  for _, member in ipairs(members) do
    local limit = string.sub(member, 17)
    if limit == '' or allowance(limit, now, tonumber(lane)) > 0 then
      again[#again + 1] = member
    else
      call('RPUSH', closed_of(lane, limit), string.sub(member, 1, 16))
      closing[limit] = true
      ask_if_full(lane, limit, now)
    end
  end
  if #again > 0 then call('RPUSH', ring_of(lane), unpack(again)) end
end

-- Visits members that were taken off the ring, up to `share` jobs from each. Those of one limit key share what it allows.
local function visit_all(lane, members, share, want, now)
  local limits, sharing = {}, {}
  for _, member in ipairs(members) do
    local limit = string.sub(member, 17)
    if limit ~= '' then
      limits[#limits + 1] = limit
      sharing[limit] = (sharing[limit] or 0) + 1
    end
  end
  look_at(limits)
  local served, unserved = {}, {}
  for _, member in ipairs(members) do
    local most, limit = math.min(share, want - #taken), string.sub(member, 17)
    if limit ~= '' then
      most = math.min(most, math.ceil(allowance(limit, now, tonumber(lane)) / sharing[limit]))
      sharing[limit] = sharing[limit] - 1
    end
    local has_others, was_served = visit(lane, member, most, now)
    if has_others and was_served then
      served[#served + 1] = member
    elseif has_others then
      unserved[#unserved + 1] = member
    end
  end
  put_back(lane, unserved, now)
  put_back(lane, served, now)
end

-- Goes round the ring of a lane, a few times as long as there is something to take. Rounds that met only closed keys, whose
-- members are off the ring then, are not counted but for their length.
local function go_round(lane, want, now)
  local rounds, in_vain = 0, 0
  while rounds < ROUNDS_MAX and in_vain < BATCH_MAX do
    local before, members = #taken, call('LLEN', ring_of(lane))
    local left = want - before
    if left == 0 or members == 0 then return end
    local share = math.ceil(left / members)
    local visited = call('LPOP', ring_of(lane), math.ceil(left / share))
    visit_all(lane, visited, share, want, now)
    if #taken > before then rounds = rounds + 1 else in_vain = in_vain + #visited end
  end
end

-- Puts what was taken under a lease; answers the claim's number and the values of the jobs.
local function hold(session, lease_end, now)
  local claim = next_claim(now)
  call('SADD', queue .. ':run:' .. claim, unpack(taken))
  call('ZADD', queue .. ':leases', lease_end, claim)
  call('HSET', queue .. ':holders', claim, session)
  local used, arrivals = {}, {}
  for key, ids in pairs(started) do
    call('SADD', queue .. ':use:' .. key, unpack(ids))
    used[#used + 1] = key
    if looked_at[key].interval then
      arrivals[#arrivals + 1] = key
      arrivals[#arrivals + 1] = string.format('%.0f', looked_at[key].arrival)
    end
  end
  if #used > 0 then call('SADD', queue .. ':used', unpack(used)) end
  if #arrivals > 0 then call('HSET', queue .. ':arrival', unpack(arrivals)) end
  return claim, call('HMGET', queue .. ':jobs', unpack(taken))
end

-- Says when the keys open that were closed. Answers whether there are any.
local function shut(now)
  local scored = {}
  for key in pairs(closing) do
    scored[#scored + 1] = opening(key, 0, now)
    scored[#scored + 1] = key
  end
  if #scored > 0 then call('ZADD', queue .. ':shut', unpack(scored)) end
  return #scored > 0
end

-- What was left free for a lane that has taken its room now is free for the others.
local function reopen_answered(now)
  local keys = {}
  for key in pairs(answered) do keys[#keys + 1] = key end
  reopen(keys, now)
end

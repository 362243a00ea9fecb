-- What limit keys allow, and who waits for them; the arithmetic is that of `Gcra` in `flow.rs`. Times are numbers here, in
-- milliseconds, but for arrival times and intervals, which are microseconds.
--
-- Whoever finds a key exhausted takes its member off the ring and puts the tenant into `closed`. From then on the key is in
-- `shut`, with the time when it opens by itself, or without end if only the end of one of its runs can open it (or a new
-- limit). So nothing is forgotten: whenever `closed` has somebody, that time comes, or a job of the key is running, or a
-- member of the key is on a ring and finds one of these true when its turn comes. Whoever takes such a member away
-- otherwise calls `reopen`.

-- **Suspects first.** The call that ends a run claims at once for its own lane, so that of a key that is always full another
-- lane would never see the room. A lane after the first that finds a key full therefore asks for the next room: `asks` has
-- the lane and the key. The lanes before it leave one room then, for ASK_MS from when there is one at the longest: it may be
-- that nobody claims from the lane that asked.

-- What is known of the keys this script met, and changed by it.
local looked_at = {}

-- Until when each lane after the first asks for room of these keys: endless as long as there is none.
local function asks_for(keys)
  local asks, members = {}, {}
  for _, key in ipairs(keys) do
    asks[key] = {}
    for lane = 1, CRASHES_MAX - 1 do members[#members + 1] = lane .. key end
  end
  for index, until_when in ipairs(call('ZMSCORE', queue .. ':asks', unpack(members))) do
    if until_when then
      local lane, key = tonumber(string.sub(members[index], 1, 1)), string.sub(members[index], 2)
      asks[key][lane] = tonumber(until_when)
    end
  end
  return asks
end

-- Until when a lane after this one asks for room; 0 if none does.
local function asked_until(known, lane, now)
  local latest = 0
  for later = lane + 1, CRASHES_MAX - 1 do
    local until_when = known.asks[later] or 0
    if until_when > now then latest = math.max(latest, until_when) end
  end
  return latest
end

-- A lane asks for the next room of a key, or does no more.
local function ask(known, key, lane, until_when)
  known.asks[lane] = until_when
  if until_when then
    call('ZADD', queue .. ':asks', until_when == math.huge and '+inf' or until_when, lane .. key)
  else
    call('ZREM', queue .. ':asks', lane .. key)
  end
end

-- Call it only when no more runs end in this script.
local function look_at(keys)
  local fresh = {}
  for _, key in ipairs(keys) do
    if not looked_at[key] then
      looked_at[key] = {}
      fresh[#fresh + 1] = key
    end
  end
  if #fresh == 0 then return end
  local limits = call('HMGET', queue .. ':limits', unpack(fresh))
  local arrivals = call('HMGET', queue .. ':arrival', unpack(fresh))
  local cooled = call('ZMSCORE', queue .. ':cooled', unpack(fresh))
  local asks = asks_for(fresh)
  for index, key in ipairs(fresh) do
    local interval, concurrency = string.match(limits[index] or '', '^(%S+) (%S+)')
    local known = looked_at[key]
    known.interval, known.concurrency = tonumber(interval), tonumber(concurrency)
    known.arrival, known.cooled = tonumber(arrivals[index] or 0), tonumber(cooled[index] or 0)
    known.running = known.concurrency and call('SCARD', queue .. ':use:' .. key)
    known.asks = asks[key]
  end
end

-- How many more may be claimed by the rate, if the arrival time is this.
local function rate_allows(known, arrival, now)
  local ahead = math.max(arrival - now * 1000, 0)
  if ahead > AHEAD_US then return 0 end
  return math.floor((AHEAD_US - ahead) / known.interval) + 1
end

-- When the next one that is claimed may start.
local function start_of(known, now)
  return math.max(math.ceil(known.arrival / 1000), now)
end

-- The arrival time when `started` more have been claimed.
local function arrival_after(known, started, now)
  return math.max(known.arrival, now * 1000) + known.interval * started
end

-- How many of a key may start in a lane.
local function allowance(key, now, lane)
  local known = looked_at[key]
  if known.cooled > now then return 0 end
  local allowed = math.huge
  if known.concurrency then
    local asked = asked_until(known, lane, now) > 0 and 1 or 0
    allowed = math.max(known.concurrency - known.running - asked, 0)
  end
  if known.interval then allowed = math.min(allowed, rate_allows(known, known.arrival, now)) end
  return allowed
end

-- When a key opens by itself if `started` more start now; without end if it waits for the end of a run; `now` if it is open.
local function opening(key, started, now)
  local known = looked_at[key]
  if known.concurrency then
    local asked = asked_until(known, 0, now)
    if known.running + started + (asked > 0 and 1 or 0) >= known.concurrency then
      return asked > 0 and asked or math.huge
    end
  end
  local opens = now
  if known.interval then
    local arrival = arrival_after(known, started, now)
    if rate_allows(known, arrival, now) == 0 then
      opens = math.ceil((arrival - LEAD_US) / 1000)
    end
  end
  return math.max(opens, known.cooled)
end

-- How many members this script may still put back on their rings.
local reopened_left = BATCH_MAX

-- Puts members of a key back on their rings: of each lane no more than may start, as nobody knows which lane is claimed
-- from first. The others wait until the next can open as if each of these started one job.
local function reopen_key(key, now)
  local known, put_back, allowed, closed = looked_at[key], 0, 0, {}
  for lane = 1, CRASHES_MAX - 1 do
    local has_room = known.concurrency and known.running < known.concurrency
    if has_room and known.asks[lane] == math.huge then ask(known, key, lane, now + ASK_MS) end
  end
  for lane = 0, CRASHES_MAX - 1 do
    closed[lane + 1] = closed_of(lane, key)
    local most = math.min(allowance(key, now, lane), reopened_left)
    allowed = math.max(allowed, most)
    local members = most > 0 and call('LPOP', closed_of(lane, key), most) or {}
    if #members > 0 then
      for index, tenant in ipairs(members) do members[index] = tenant .. key end
      call('RPUSH', ring_of(lane), unpack(members))
      put_back, reopened_left = put_back + #members, reopened_left - #members
      stirred[tostring(lane)] = true
    end
  end
  if call('EXISTS', unpack(closed)) == 0 then
    call('ZREM', queue .. ':shut', key)
  else
    call('ZADD', queue .. ':shut', opening(key, math.min(put_back, allowed), now), key)
  end
end

-- Something changed for these keys: lets those that were closed start what they may now.
local function reopen(keys, now)
  if #keys == 0 then return end
  local shut = {}
  for index, opens in ipairs(call('ZMSCORE', queue .. ':shut', unpack(keys))) do
    if opens then shut[#shut + 1] = keys[index] end
  end
  look_at(shut)
  for _, key in ipairs(shut) do reopen_key(key, now) end
end

-- When the first closed key opens by itself, as text; nil if none is closed.
local function first_opening()
  return call('ZRANGE', queue .. ':shut', 0, 0, 'WITHSCORES')[2]
end

-- Lets at most `most` keys start whose time has come.
local function reopen_due(now, most)
  local keys = call('ZRANGEBYSCORE', queue .. ':shut', '-inf', now, 'LIMIT', 0, most)
  look_at(keys)
  for _, key in ipairs(keys) do reopen_key(key, now) end
end

-- Keys of which runs ended in this script.
local ended = {}

-- These runs of a key are over.
local function end_runs(key, ids)
  call('SREM', queue .. ':use:' .. key, unpack(ids))
  ended[key] = true
end

-- After all runs that end in this script: the keys they ran under have room.
local function reopen_ended(now)
  local keys, unused = {}, {}
  for key in pairs(ended) do
    keys[#keys + 1] = key
    if call('EXISTS', queue .. ':use:' .. key) == 0 then unused[#unused + 1] = key end
  end
  if #unused > 0 then call('SREM', queue .. ':used', unpack(unused)) end
  reopen(keys, now)
end

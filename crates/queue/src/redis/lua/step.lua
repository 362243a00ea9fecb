-- Settles, then claims.
-- ARGV: now · today · lane · how many are wanted · session · lease end · number of groups · number of other endings
--       · of each group of jobs that are done: claim, number of jobs, their ids
--       · of each other ending: claim, id, how it ended, head to be kept, time, text, failure as JSON ('' = none)
-- Answers the claim's number, the ids in one string, their values, whether more is ready, and the positions (from 1,
-- groups first) of the endings that had no effect because the claim was not held.
local now, today, lane, want, session, lease_end = unpack(ARGV, 1, 6)
want = tonumber(want)
local position, at = 0, 9
local refused, done, later, claims = {}, {}, {}, {}
local wakes = false

-- One job that did not simply end well.
local function settle(id, job, ending, head, time, text, failure)
  local body = string.sub(job, HEAD_BYTES + 1)
  if failure ~= '' then note(id, failure) end
  if ending ~= 'dead' and call('SISMEMBER', queue .. ':cancelled', id) == 1 then
    ending, text = 'dead', 'cancelled'
  end
  if ending == 'dead' then return bury(id, head, body, text, now, today) end

  if failure ~= '' then call('HSET', queue .. ':jobs', id, head .. body) end
  if ending == 'later' then
    later[#later + 1] = time
    later[#later + 1] = id .. place_of(job)
  elseif ending == 'park' then
    call('HSET', queue .. ':parked', id, text)
    call('SADD', queue .. ':gate:' .. text, id)
  else
    make_ready_in_places({id .. place_of(job)})
    wakes = true
  end
end

for _ = 1, ARGV[7] do
  local claim, count = ARGV[at], tonumber(ARGV[at + 1])
  local run = queue .. ':run:' .. claim
  local first, last = at + 2, at + 1 + count
  local held = call('SMISMEMBER', run, unpack(ARGV, first, last))
  for offset = 1, count do
    if held[offset] == 1 then
      done[#done + 1] = ARGV[first + offset - 1]
    else
      refused[#refused + 1] = position + offset
    end
  end
  call('SREM', run, unpack(ARGV, first, last))
  claims[claim] = true
  position = position + count
  at = last + 1
end
if #done > 0 then finish(done, today) end

for _ = 1, ARGV[8] do
  local claim, id = ARGV[at], ARGV[at + 1]
  position = position + 1
  if call('SREM', queue .. ':run:' .. claim, id) == 0 then
    refused[#refused + 1] = position
  else
    claims[claim] = true
    local job = call('HGET', queue .. ':jobs', id)
    if job then settle(id, job, unpack(ARGV, at + 2, at + 6)) end
  end
  at = at + 7
end
if #later > 0 then wakes = schedule(later) or wakes end
for claim in pairs(claims) do drop_lease_if_empty(claim) end

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

local claim, taken, values, more = '0', {}, {}, 0
if want > 0 then
  local promoted = promote(now, STEP_PROMOTED_MAX)
  if call('EXISTS', queue .. ':paused') == 0 then
    local ring = queue .. ':ring:' .. lane
    for _ = 1, ROUNDS_MAX do
      local left, tenants = want - #taken, call('LLEN', ring)
      if left == 0 or tenants == 0 then break end
      local share = math.ceil(left / tenants)
      local again = {}
      for _, tenant in ipairs(call('LPOP', ring, math.ceil(left / share))) do
        local list = waiting(lane, tenant)
        local asked = math.min(share, want - #taken)
        local ids = call('LPOP', list, asked) or {}
        for index = 1, #ids do taken[#taken + 1] = ids[index] end
        if #ids == asked and call('EXISTS', list) == 1 then again[#again + 1] = tenant end
      end
      if #again > 0 then call('RPUSH', ring, unpack(again)) end
    end
    if #taken > 0 then
      claim = next_claim(now)
      values = call('HMGET', queue .. ':jobs', unpack(taken))
      call('SADD', queue .. ':run:' .. claim, unpack(taken))
      call('ZADD', queue .. ':leases', lease_end, claim)
      call('HSET', queue .. ':holders', claim, session)
    end
    if promoted == STEP_PROMOTED_MAX or call('EXISTS', ring) == 1 then
      more, wakes = 1, true
    elseif promoted > 0 then
      wakes = true
    end
  end
end
if wakes then wake() end
return {tonumber(claim), table.concat(taken), values, more, refused}

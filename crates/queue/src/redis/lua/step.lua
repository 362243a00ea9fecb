-- Settles, then claims.
-- ARGV: now · today · lane · how many are wanted · session · lease end · number of groups · number of other endings
--       · of each group of jobs that are done: claim, limit key ('' = none), 1 if they stand in lines, number of jobs,
--         their ids, and if they stand in lines: tenant and order key of each
--       · of each other ending: claim, id, how it ended, head to be kept, time, text, failure as JSON ('' = none)
-- Answers the claim's number, the ids in one string, their values, whether more is ready, when the next closed key opens by
-- itself ('' = none does), and the positions (from 1, groups first) of the endings that had no effect because the claim
-- was not held.
local now, today, lane, want, session, lease_end = unpack(ARGV, 1, 6)
local clock = tonumber(now)
want = tonumber(want)
local position, at = 0, 9
local refused, done, heads, later, claims = {}, {}, {}, {}, {}

-- One job that did not simply end well.
local function settle(id, job, ending, front, time, text, failure)
  local head = read_head(job)
  if head.limit ~= '' then
    end_runs(head.limit, {id})
    if ending == 'later' and text == 'cool' and tonumber(time) > clock then
      call('ZADD', queue .. ':cooled', 'GT', time, head.limit)
    end
  end
  if failure ~= '' then
    note(id, failure)
    job = front .. string.sub(job, head.bytes + 1)
  end
  if ending ~= 'dead' and call('SISMEMBER', queue .. ':cancelled', id) == 1 then
    ending, text = 'dead', 'cancelled'
  end
  if ending == 'dead' then return bury(id, job, text, now, today) end

  if failure ~= '' then call('HSET', queue .. ':jobs', id, job) end
  if ending == 'later' then
    later[#later + 1] = time
    later[#later + 1] = id .. place_of(head)
  elseif ending == 'park' then
    call('HSET', queue .. ':parked', id, text)
    call('SADD', queue .. ':gate:' .. text, id)
    call('SADD', queue .. ':gates', text)
  else
    make_ready_in_places({id .. place_of(head)})
    wake()
  end
end

for _ = 1, ARGV[7] do
  local claim, limit, in_lines, count = unpack(ARGV, at, at + 3)
  local run = queue .. ':run:' .. claim
  local first, last = at + 4, at + 3 + count
  local held, ids = call('SMISMEMBER', run, unpack(ARGV, first, last)), {}
  for offset = 1, count do
    local id = ARGV[first + offset - 1]
    if held[offset] == 1 then
      done[#done + 1] = id
      ids[#ids + 1] = id
      if in_lines == '1' then
        heads[#heads + 1] = ARGV[last + offset]
        heads[#heads + 1] = id
      end
    else
      refused[#refused + 1] = position + offset
    end
  end
  call('SREM', run, unpack(ARGV, first, last))
  if limit ~= '' and #ids > 0 then end_runs(limit, ids) end
  claims[claim] = true
  position = position + count
  at = last + 1 + (in_lines == '1' and count or 0)
end
if #done > 0 then
  finish(done, today)
  follow(heads)
end

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
if #later > 0 and schedule(later) then wake() end
for claim in pairs(claims) do drop_lease_if_empty(claim) end
reopen_ended(clock)

local claim, values, more, opens_at = '0', {}, 0, ''
if want > 0 then
  local promoted = promote(now, STEP_PROMOTED_MAX)
  if call('EXISTS', queue .. ':paused') == 0 then
    local opens = first_opening()
    if opens and tonumber(opens) <= clock then reopen_due(clock, STEP_REOPENED_MAX) end
    go_round(lane, want, clock)
    if #taken > 0 then claim, values = hold(session, lease_end, clock) end
    reopen_answered(clock)
    if shut(clock) or opens then opens_at = first_opening() or '' end
    if opens_at == 'inf' then opens_at = '' end
    if promoted == STEP_PROMOTED_MAX or call('EXISTS', ring_of(lane)) == 1 then
      more = 1
      wake()
    elseif promoted > 0 then
      wake()
    end
  end
end
wake_others(want > 0 and lane)
return {tonumber(claim), table.concat(taken), values, more, opens_at, refused, reserved}

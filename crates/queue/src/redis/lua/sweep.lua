-- Makes due jobs ready, takes jobs back from leases that ended, and lets keys start whose time has come.
-- ARGV: now · today · what to note for a poisoned job (JSON string) · how long to wait after the first crash, the second …
-- Answers how many became ready, were taken back with a charge, without one, and died; the first due time ('' = none); and
-- how many dead letters are in no bucket.
local now, today, poisoned_text = unpack(ARGV, 1, 3)
local clock = tonumber(now)
local promoted = promote(now, SWEEP_MAX)
local rescued, unheard, poisoned, left = 0, 0, 0, SWEEP_MAX

-- `charged` is 1, or 0 if the worker lives and never heard that it holds the job.
local function take_back(id, charged)
  local job = call('HGET', queue .. ':jobs', id)
  if not job then return end
  local crashes = string.byte(job, 19) + charged
  job = string.sub(job, 1, 18) .. string.char(crashes) .. string.sub(job, 20)
  local head = read_head(job)
  if head.limit ~= '' then end_runs(head.limit, {id}) end
  if call('SISMEMBER', queue .. ':cancelled', id) == 1 then
    bury(id, job, 'cancelled', now, today)
  elseif crashes >= CRASHES_MAX then
    local attempt = string.byte(job, 17) * 256 + string.byte(job, 18) + 1
    note(id, string.format('{"attempt":%d,"at":%s,"error":%s}', attempt, now, poisoned_text))
    bury(id, job, 'poison', now, today)
    poisoned = poisoned + 1
  elseif charged == 0 then
    make_ready_in_places({id .. place_of(head)})
    unheard = unheard + 1
  else
    call('HSET', queue .. ':jobs', id, job)
    call('ZADD', queue .. ':sched', now + ARGV[3 + crashes], id .. place_of(head))
    rescued = rescued + 1
  end
end

for _, claim in ipairs(call('ZRANGEBYSCORE', queue .. ':leases', '-inf', now, 'LIMIT', 0, SWEEP_MAX)) do
  if left == 0 then break end
  local session = call('HGET', queue .. ':holders', claim)
  local lives = session and tonumber(call('ZSCORE', queue .. ':sessions', session) or 0) > clock
  local ids = call('SPOP', queue .. ':run:' .. claim, left)
  left = left - #ids
  for _, id in ipairs(ids) do take_back(id, lives and 0 or 1) end
  drop_lease_if_empty(claim)
end
call('ZREMRANGEBYSCORE', queue .. ':cooled', '-inf', now)
call('ZREMRANGEBYSCORE', queue .. ':asks', '-inf', now)
reopen_ended(clock)
reopen_due(clock, SWEEP_MAX)
if promoted + unheard > 0 then wake() end
wake_others()
local next_due = call('ZRANGE', queue .. ':sched', 0, 0, 'WITHSCORES')[2] or ''
local loose = call('HLEN', queue .. ':dead') - call('HLEN', queue .. ':dead:in')
return {promoted, rescued, unheard, poisoned, next_due, loose}

-- ARGV: id · today. Answers what became of the job.
local id, today = ARGV[1], ARGV[2]
local job = call('HGET', queue .. ':jobs', id)
if not job then return 'unknown' end
local state, gate = state_of(id, job)
if state == 'running' then
  call('SADD', queue .. ':cancelled', id)
  return 'signalled'
end
if state == 'scheduled' then
  call('ZREM', queue .. ':sched', id .. place_of(job))
elseif state == 'parked' then
  call('HDEL', queue .. ':parked', id)
  call('SREM', queue .. ':gate:' .. gate, id)
else
  local tenant, lane = string.sub(job, 1, 16), string.byte(job, 19)
  local list = waiting(lane, tenant)
  call('LREM', list, 1, id)
  if call('EXISTS', list) == 0 then call('LREM', queue .. ':ring:' .. lane, 1, tenant) end
end
finish({id}, today)
return 'removed'

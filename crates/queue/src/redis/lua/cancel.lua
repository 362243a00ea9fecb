-- ARGV: id · now · today. Answers what became of the job.
local id, now, today = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local job = call('HGET', queue .. ':jobs', id)
if not job then return 'unknown' end
local head = read_head(job)

-- Takes it out of its list. A list that is empty has no turn on the ring, and what its turn was kept for goes to others.
local function take_from_list()
  local place = place_of(head)
  call('LREM', waiting(place), 1, id)
  if call('EXISTS', waiting(place)) == 1 then return end
  if call('LREM', ring_of(head.crashes), 1, string.sub(place, 2)) == 0 then
    call('LREM', closed_of(head.crashes, head.limit), 1, head.tenant)
  end
  if head.limit ~= '' then reopen({head.limit}, now) end
end

local state, gate = state_of(id, head)
local is_head = head.line
if state == 'running' then
  call('SADD', queue .. ':cancelled', id)
  return 'signalled'
end
if state == 'scheduled' then
  local member, is_newcomer = scheduled_as(id, head)
  call('ZREM', queue .. ':sched', member)
  call('HDEL', queue .. ':joining', id)
  if is_newcomer then is_head = nil end
elseif state == 'parked' then
  call('HDEL', queue .. ':parked', id)
  call('SREM', queue .. ':gate:' .. gate, id)
  forget_gate_if_empty(gate)
elseif state == 'behind' then
  -- From the end: a dead letter of the same id may be the head.
  call('LREM', line_of(head.line), -1, id .. head.limit)
  call('SREM', queue .. ':behind', id)
  is_head = nil
else
  take_from_list()
end
finish({id}, today)
if is_head then follow({head.line, id}) end
wake_others()
return 'removed'

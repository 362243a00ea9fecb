-- Where a live job is; for the scripts that show or cancel. Each is in exactly one place, and `ready` is what is left
-- when it is in none of the others: nothing has to look through the lists.

-- The session and the end of a claim's lease.
local function lease_of(claim)
  return call('HGET', queue .. ':holders', claim), call('ZSCORE', queue .. ':leases', claim)
end

-- Which claim each running job belongs to.
local function running_jobs()
  local claims = {}
  for _, claim in ipairs(call('ZRANGE', queue .. ':leases', 0, -1)) do
    for _, id in ipairs(call('SMEMBERS', queue .. ':run:' .. claim)) do claims[id] = claim end
  end
  return claims
end

local function claim_of(id)
  for _, claim in ipairs(call('ZRANGE', queue .. ':leases', 0, -1)) do
    if call('SISMEMBER', queue .. ':run:' .. claim, id) == 1 then return claim end
  end
end

-- What a job is called in `sched` if it is there, and whether it will join its line when it is due.
local function scheduled_as(id, head)
  local number = head.line and call('HGET', queue .. ':joining', id)
  if number then return number .. id, true end
  return id .. place_of(head), false
end

-- The state's name, and what belongs to it: due time; gate; the line's head; claim, session and lease end. `running` is
-- what `running_jobs` answered, for whoever asks about many.
local function state_of(id, head, running)
  local due = call('ZSCORE', queue .. ':sched', (scheduled_as(id, head)))
  if due then return 'scheduled', due, '', '' end
  local gate = call('HGET', queue .. ':parked', id)
  if gate then return 'parked', gate, '', '' end
  if head.line and call('SISMEMBER', queue .. ':behind', id) == 1 then
    return 'behind', string.sub(call('LINDEX', line_of(head.line), 0), 1, 16), '', ''
  end
  local claim
  if running then claim = running[id] else claim = claim_of(id) end
  if claim then return 'running', claim, lease_of(claim) end
  return 'ready', '', '', ''
end

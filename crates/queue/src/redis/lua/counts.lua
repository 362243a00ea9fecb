-- Answers how many are ready, scheduled, running, parked, behind others and dead, and whether the queue is paused.
local scheduled, parked, running = call('ZCARD', queue .. ':sched'), call('HLEN', queue .. ':parked'), 0
local behind = call('SCARD', queue .. ':behind')
for _, claim in ipairs(call('ZRANGE', queue .. ':leases', 0, -1)) do
  running = running + call('SCARD', queue .. ':run:' .. claim)
end
local ready = call('HLEN', queue .. ':jobs') - scheduled - parked - running - behind
local dead, paused = call('HLEN', queue .. ':dead'), call('EXISTS', queue .. ':paused')
return {ready, scheduled, running, parked, behind, dead, paused}

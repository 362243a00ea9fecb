-- ARGV: gate. Makes jobs behind it ready, a bounded number; answers how many.
local gate = ARGV[1]
local ids = call('SPOP', queue .. ':gate:' .. gate, BATCH_MAX)
if #ids == 0 then return 0 end
forget_gate_if_empty(gate)
call('HDEL', queue .. ':parked', unpack(ids))
local members = {}
for index, job in ipairs(call('HMGET', queue .. ':jobs', unpack(ids))) do
  if job then members[#members + 1] = ids[index] .. place_of(read_head(job)) end
end
make_ready_in_places(members)
wake()
return #ids

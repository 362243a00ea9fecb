-- ARGV: gate. Makes jobs behind it ready, a bounded number; answers how many.
local ids = call('SPOP', queue .. ':gate:' .. ARGV[1], BATCH_MAX)
if #ids == 0 then return 0 end
call('HDEL', queue .. ':parked', unpack(ids))
local members = {}
for index, job in ipairs(call('HMGET', queue .. ':jobs', unpack(ids))) do
  if job then members[#members + 1] = ids[index] .. place_of(job) end
end
make_ready_in_places(members)
wake()
return #ids

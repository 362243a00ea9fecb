-- ARGV: id. Answers 1 if the job has ended and its key is still known.
local id = ARGV[1]
if call('HEXISTS', queue .. ':jobs', id) == 1 or call('HEXISTS', queue .. ':dead', id) == 1 then return 0 end
for _, day in ipairs(call('SMEMBERS', queue .. ':days')) do
  if call('SISMEMBER', queue .. ':seen:' .. day, id) == 1 then return 1 end
end
return 0

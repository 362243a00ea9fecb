-- Letters that are older than buckets are: makes them known as loose. ARGV: cursor of the scan · how many to look at.
-- Answers the next cursor, '0' at the end.
local scanned = call('ZSCAN', queue .. ':dead:at', ARGV[1], 'COUNT', ARGV[2])
for index = 1, #scanned[2], 2 do
  local id = scanned[2][index]
  if call('HEXISTS', queue .. ':dead:in', id) == 0 and call('HEXISTS', queue .. ':dead:loose', id) == 0 then loosen(id) end
end
return scanned[1]

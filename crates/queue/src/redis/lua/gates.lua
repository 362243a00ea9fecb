-- ARGV: gates. Answers how many jobs wait behind each.
local parked = {}
for index, gate in ipairs(ARGV) do parked[index] = call('SCARD', queue .. ':gate:' .. gate) end
return parked

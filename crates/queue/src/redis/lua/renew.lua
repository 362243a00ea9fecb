-- ARGV: lease end · claims. Answers the claims that are not held any more. A renewal that comes late moves no
-- end back.
local lost = {}
for index = 2, #ARGV do
  local held = call('ZSCORE', queue .. ':leases', ARGV[index])
  if not held then
    lost[#lost + 1] = ARGV[index]
  elseif tonumber(held) < tonumber(ARGV[1]) then
    call('ZADD', queue .. ':leases', ARGV[1], ARGV[index])
  end
end
return lost

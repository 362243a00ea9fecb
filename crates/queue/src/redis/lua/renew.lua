-- ARGV: lease end · claims. Answers the claims that are not held any more.
local lost = {}
for index = 2, #ARGV do
  if not call('ZSCORE', queue .. ':leases', ARGV[index]) then
    lost[#lost + 1] = ARGV[index]
  else
    call('ZADD', queue .. ':leases', ARGV[1], ARGV[index])
  end
end
return lost

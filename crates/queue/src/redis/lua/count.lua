-- ARGV: field and amount, again and again. KEYS[1] is the installation's hash tag here.
for index = 1, #ARGV, 2 do
  call('HINCRBY', queue .. ':counters', ARGV[index], ARGV[index + 1])
end
return 0

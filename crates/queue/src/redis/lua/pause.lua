-- ARGV: 1 to stop claims, 0 to resume them.
if ARGV[1] == '1' then
  call('SET', queue .. ':paused', '1')
else
  call('DEL', queue .. ':paused')
  wake()
end
return 0

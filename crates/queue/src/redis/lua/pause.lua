-- ARGV: who stops claims and when, or '' to resume them. What is paused already keeps its first pause.
if ARGV[1] ~= '' then
  call('SETNX', queue .. ':paused', ARGV[1])
else
  call('DEL', queue .. ':paused')
  wake()
end
return 0

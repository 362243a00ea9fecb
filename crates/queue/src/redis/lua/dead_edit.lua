-- ARGV: id · new body. Answers 1, or 0 if there is no such letter.
local letter = call('HGET', queue .. ':dead', ARGV[1])
if not letter then return 0 end
local front = string.sub(letter, 1, HEAD_BYTES + 1 + string.byte(letter, HEAD_BYTES + 1))
call('HSET', queue .. ':dead', ARGV[1], front .. ARGV[2])
return 1

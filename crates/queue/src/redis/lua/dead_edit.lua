-- ARGV: id · new body. Answers 1, or 0 if there is no such letter.
local letter = call('HGET', queue .. ':dead', ARGV[1])
if not letter then return 0 end
local bytes = read_head(letter).bytes + 1
local front = string.sub(letter, 1, bytes + string.byte(letter, bytes))
call('HSET', queue .. ':dead', ARGV[1], front .. ARGV[2])
return 1

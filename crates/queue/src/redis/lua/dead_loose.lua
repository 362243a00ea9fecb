-- ARGV: limit · how much of a letter is needed behind its reason.
-- Answers how many letters are neither in a bucket nor known to be loose; and of some that are loose: id, number, how the
-- letter begins ('' = there is none), failures.
local dead, known = call('HLEN', queue .. ':dead'), call('HLEN', queue .. ':dead:in')
local numbers = call('HRANDFIELD', queue .. ':dead:loose', ARGV[1], 'WITHVALUES')
local rows = {}
for index = 1, #numbers, 2 do
  local id = numbers[index]
  local letter = call('HGET', queue .. ':dead', id) or ''
  if letter ~= '' then
    local bytes = read_head(letter).bytes + 1
    letter = string.sub(letter, 1, bytes + string.byte(letter, bytes) + ARGV[2])
  end
  rows[#rows + 1] = {id, numbers[index + 1], letter, call('HGET', queue .. ':dead:errors', id) or '[]'}
end
return {dead - known - call('HLEN', queue .. ':dead:loose'), rows}

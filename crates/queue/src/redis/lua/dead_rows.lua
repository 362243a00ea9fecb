-- ARGV: ids. Answers rows of those that are dead: id, value, 'dead', time of death, two that are empty, failures.
local rows = {}
for index, letter in ipairs(call('HMGET', queue .. ':dead', unpack(ARGV))) do
  local id = ARGV[index]
  local died_at = letter and call('ZSCORE', queue .. ':dead:at', id)
  if died_at then
    rows[#rows + 1] = {id, letter, 'dead', died_at, '', '', call('HGET', queue .. ':dead:errors', id) or '[]'}
  end
end
return rows

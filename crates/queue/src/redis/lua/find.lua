-- ARGV: id. Answers nothing, or id, value, state with its three details, and failures.
local id = ARGV[1]
local job = call('HGET', queue .. ':jobs', id)
if job then
  local state, first, second, third = state_of(id, read_head(job))
  return {id, job, state, first, second, third, call('HGET', queue .. ':errors', id) or '[]'}
end
local letter = call('HGET', queue .. ':dead', id)
if letter then
  local died_at = call('ZSCORE', queue .. ':dead:at', id)
  return {id, letter, 'dead', died_at, '', '', call('HGET', queue .. ':dead:errors', id) or '[]'}
end
return {}

-- ARGV: limit · time and id of the last letter shown before (both '' = from the latest).
-- Answers rows: id, value, 'dead', time of death, latest first; of one time, the greater id first.
local limit, before, last = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local rows, offset, from = {}, 0, before == '' and '+inf' or before
repeat
  local found = call('ZREVRANGEBYSCORE', queue .. ':dead:at', from, '-inf', 'WITHSCORES', 'LIMIT', offset, limit)
  for index = 1, #found, 2 do
    local id, died_at = found[index], found[index + 1]
    if #rows < limit and (before == '' or died_at ~= before or precedes(id, last)) then
      rows[#rows + 1] = {id, call('HGET', queue .. ':dead', id), 'dead', died_at, '', ''}
    end
  end
  offset = offset + limit
until #rows == limit or #found == 0
return rows

-- ARGV: scan cursor · id after which to go on within what the cursor shows ('' = from its start) · limit · tenant ('' = all).
-- One cursor may show more than was asked for, so what it shows is put in order, and a page may end in the middle.
-- Answers the next scan cursor ('' = all shown), the id after which to go on, how many were looked at, and the rows: id,
-- value, state with its three details.
local cursor, after, limit, tenant = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local scanned, ids, values
-- What a cursor shows depends on COUNT. So a page only ends in the middle of what it shows with COUNT 1, when one bucket
-- holds more than fits, and the next page goes on with COUNT 1 too: otherwise it would skip what it has not shown.
local count = after == '' and limit or 1
repeat
  scanned = call('HSCAN', queue .. ':jobs', cursor, 'COUNT', count)
  ids, values = {}, {}
  for index = 1, #scanned[2], 2 do
    local id = scanned[2][index]
    if (after == '' or precedes(after, id)) and not values[id] then
      ids[#ids + 1] = id
      values[id] = scanned[2][index + 1]
    end
  end
  local fits = #ids <= limit or count == 1
  count = math.max(1, math.floor(count / 2))
until fits
table.sort(ids, precedes)

local next_cursor, next_after = scanned[1], ''
if #ids > limit then
  next_cursor, next_after = cursor, ids[limit]
elseif next_cursor == '0' then
  next_cursor = ''
end

local looked, rows, running = math.min(#ids, limit), {}, running_jobs()
for index = 1, looked do
  local id = ids[index]
  local job = values[id]
  local head = read_head(job)
  if tenant == '' or head.tenant == tenant then
    rows[#rows + 1] = {id, job, state_of(id, head, running)}
  end
end
return {next_cursor, next_after, looked, rows}

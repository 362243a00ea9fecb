-- How jobs of one line follow each other. `behind` has the ids of those that wait for the head of their line.

-- To the end of a line, in this order; all with the same limit key. Answers the id that is the head now, if one is.
local function join(line, ids, limit)
  local elements, behind, head = {}, {}, nil
  for index, id in ipairs(ids) do elements[index] = id .. limit end
  if call('RPUSH', line_of(line), unpack(elements)) == #ids then head = ids[1] end
  for index = head and 2 or 1, #ids do behind[#behind + 1] = ids[index] end
  if #behind > 0 then call('SADD', queue .. ':behind', unpack(behind)) end
  return head
end

-- The heads are over: makes ready who is next. `heads` has line and id, again and again.
local function follow(heads)
  local next_ids, members = {}, {}
  for index = 1, #heads, 2 do
    local line, id = heads[index], heads[index + 1]
    local head = call('LPOP', line_of(line))
    if head and string.sub(head, 1, 16) ~= id then
      call('LPUSH', line_of(line), head)
    elseif head then
      local next_head = call('LINDEX', line_of(line), 0)
      if next_head then
        local next_id = string.sub(next_head, 1, 16)
        next_ids[#next_ids + 1] = next_id
        members[#members + 1] = next_id .. '0' .. string.sub(line, 1, 16) .. string.sub(next_head, 17)
      end
    end
  end
  if #next_ids > 0 then
    call('SREM', queue .. ':behind', unpack(next_ids))
    make_ready_in_places(members)
    stirred['0'] = true
  end
end

-- These dead letters are no more: lines that waited for them go on. `letters` has id and letter, again and again.
local function let_go(letters)
  local heads = {}
  for index = 1, #letters, 2 do
    local head = letters[index + 1] and read_head(letters[index + 1])
    if head and head.holds then
      heads[#heads + 1] = head.line
      heads[#heads + 1] = letters[index]
    end
  end
  follow(heads)
end

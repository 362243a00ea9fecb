-- How jobs become ready.

local woken = false

-- Leaves the one token that wakes one worker process.
local function wake()
  if woken then return end
  woken = true
  if call('EXISTS', queue .. ':wake') == 0 then
    call('RPUSH', queue .. ':wake', '1')
  end
end

-- To the end of their lists. `lists` has place and ids, again and again. A list that was empty takes its turn at the end of
-- the lane's ring, or, if others wait for its limit key to open, behind those.
local function make_ready(lists)
  local joining = {}
  for index = 1, #lists, 2 do
    local place, ids = lists[index], lists[index + 1]
    if call('RPUSH', waiting(place), unpack(ids)) == #ids then
      local lane, limit = string.sub(place, 1, 1), string.sub(place, 18)
      if limit ~= '' and call('EXISTS', closed_of(lane, limit)) == 1 then
        call('RPUSH', closed_of(lane, limit), string.sub(place, 2, 17))
      else
        joining[lane] = joining[lane] or {}
        table.insert(joining[lane], string.sub(place, 2))
      end
    end
  end
  for lane, members in pairs(joining) do
    call('RPUSH', ring_of(lane), unpack(members))
  end
end

-- `members` are ids, each followed by the job's place.
local function make_ready_in_places(members)
  local lists, ids_at = {}, {}
  for _, member in ipairs(members) do
    local place = string.sub(member, 17)
    if not ids_at[place] then
      ids_at[place] = {}
      lists[#lists + 1] = place
      lists[#lists + 1] = ids_at[place]
    end
    table.insert(ids_at[place], string.sub(member, 1, 16))
  end
  make_ready(lists)
end

-- Lanes in which something became ready that the caller may want to claim itself.
local stirred = {}

-- Wakes somebody for the lanes where something became ready, but for the one that this call claims from.
local function wake_others(lane)
  for other in pairs(stirred) do
    if other ~= lane then wake() end
  end
end

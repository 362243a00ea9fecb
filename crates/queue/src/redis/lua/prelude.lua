-- Before every script. KEYS[1] is the queue's hash tag; every key begins with it, so all lie in one slot.
-- `jobs` holds id -> head and body; the head is the tenant (16 bytes), the attempts (2) and the crashes (1).
local queue = KEYS[1]
local call = redis.call
local HEAD_BYTES = 19

-- Where a scheduled or ready job belongs: its tenant and its lane (as a digit), as kept after the id in `sched`.
local function place_of(job)
  return string.sub(job, 1, 16) .. string.byte(job, 19)
end

-- Whether one id comes before another, byte by byte as Redis orders them; Lua's `<` follows the server's locale.
local function precedes(one, other)
  for index = 1, 16 do
    local left, right = string.byte(one, index), string.byte(other, index)
    if left ~= right then return left < right end
  end
  return false
end

local function waiting(lane, tenant)
  return queue .. ':w:' .. lane .. ':' .. tenant
end

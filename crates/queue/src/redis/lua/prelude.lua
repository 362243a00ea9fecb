-- Before every script. KEYS[1] is the queue's hash tag; every key begins with it, so all lie in one slot.
local queue = KEYS[1]
local call = redis.call

-- A member of `sched` is an id and the job's place; or, this long, the number in the order of adds (16 digits) and the id of
-- a job that will join its line when it is due.
local NEWCOMER_BYTES = 32

-- Reads what is in front of a job's body: tenant (16 bytes), attempts (2), crashes (1), limit key behind its length (1),
-- order key behind its length (1), and behind an order key 1 if the line waits when this job dies as its head, else 0.
-- `line` is the tenant and the order key; nil for a job without one.
local function read_head(value)
  local crashes, limit_bytes = string.byte(value, 19, 20)
  local bytes = 21 + limit_bytes
  local order_bytes = string.byte(value, bytes)
  local tenant = string.sub(value, 1, 16)
  local head = {tenant = tenant, crashes = crashes, limit = string.sub(value, 21, bytes - 1), bytes = bytes}
  if order_bytes > 0 then
    head.bytes = bytes + order_bytes + 1
    head.line = tenant .. string.sub(value, bytes + 1, bytes + order_bytes)
    head.holds = string.byte(value, head.bytes) == 1
  end
  return head
end

-- Where a job waits when it may start: its lane (a digit), its tenant and its limit key. Names its list, and stands behind
-- the job's id in `sched`.
local function place_of(head)
  return head.crashes .. head.tenant .. head.limit
end

-- Whether one id comes before another, byte by byte as Redis orders them; Lua's `<` follows the server's locale.
local function precedes(one, other)
  for index = 1, 16 do
    local left, right = string.byte(one, index), string.byte(other, index)
    if left ~= right then return left < right end
  end
  return false
end

local function waiting(place)
  return queue .. ':w:' .. place
end

-- The members of a lane's ring, and of `closed` with the limit key left out, are tenants, each followed by the limit key
-- under which these jobs of it wait.
local function ring_of(lane)
  return queue .. ':ring:' .. lane
end

local function closed_of(lane, limit)
  return queue .. ':closed:' .. lane .. ':' .. limit
end

-- The elements are ids, each followed by the job's limit key: all that is needed to make a job ready that follows. It is
-- of lane 0, as it never started since it joined the line.
local function line_of(line)
  return queue .. ':line:' .. line
end

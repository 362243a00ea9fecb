-- ARGV: dice · marks. A mark is an id and, of the job's head, its attempts and crashes: a job that ran since and may start again
-- is not the one that was marked. Answers the positions (from 1) of those that are ready still, and a new mark ('' = nothing is
-- ready): of the last job of one list, which the dice choose, of the first lane that has any.
local MARKED_FROM, MARKED_TO = 17, 19

local function mark_of(id, job)
  return id .. string.sub(job, MARKED_FROM, MARKED_TO)
end

local function is_closed(head)
  return head.limit ~= '' and call('EXISTS', closed_of(head.crashes, head.limit)) == 1
end

local still = {}
for position = 2, #ARGV do
  local id = string.sub(ARGV[position], 1, 16)
  local job = call('HGET', queue .. ':jobs', id)
  if job and mark_of(id, job) == ARGV[position] then
    local head = read_head(job)
    if not is_closed(head) and state_of(id, head) == 'ready' then still[#still + 1] = position - 1 end
  end
end

local function fresh_of(crashes)
  local lists = call('LLEN', ring_of(crashes))
  if lists == 0 then return nil end
  local index = math.min(math.floor(tonumber(ARGV[1]) * lists), lists - 1)
  local id = call('LINDEX', waiting(crashes .. call('LINDEX', ring_of(crashes), index)), -1)
  local job = id and call('HGET', queue .. ':jobs', id)
  return job and mark_of(id, job)
end

local fresh
for crashes = 0, CRASHES_MAX - 1 do fresh = fresh or fresh_of(crashes) end
return {still, fresh or ''}

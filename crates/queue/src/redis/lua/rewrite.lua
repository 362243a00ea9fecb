-- ARGV: id · old body · new body. Answers 1, or 0 if there is no such job, or its body is another.
local id, old, new = ARGV[1], ARGV[2], ARGV[3]
for _, place in ipairs({':jobs', ':dead'}) do
  local value = call('HGET', queue .. place, id)
  if value then
    local front = read_head(value).bytes
    -- A letter has its reason, behind its length, in front of its body.
    if place == ':dead' then front = front + 1 + string.byte(value, front + 1) end
    if string.sub(value, front + 1) ~= old then return 0 end
    call('HSET', queue .. place, id, string.sub(value, 1, front) .. new)
    return 1
  end
end
return 0

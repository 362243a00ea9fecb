-- Dead letters by what they died of. What a bucket is called is made where errors are stripped, which no script can do: a
-- letter is `loose` until somebody has, and has a number as long, so that one that was retried and died again is not put
-- where it belonged before.
local function bucket_of(name)
  return queue .. ':dead:b:' .. name
end

local function loosen(id)
  call('HSET', queue .. ':dead:loose', id, call('INCR', queue .. ':seq'))
end

-- These letters are no more.
local function leave_buckets(ids)
  call('HDEL', queue .. ':dead:loose', unpack(ids))
  for index, name in ipairs(call('HMGET', queue .. ':dead:in', unpack(ids))) do
    if name then
      call('ZREM', bucket_of(name), ids[index])
      if call('EXISTS', bucket_of(name)) == 0 then call('HDEL', queue .. ':dead:buckets', name) end
    end
  end
  call('HDEL', queue .. ':dead:in', unpack(ids))
end

-- The kind that a letter's envelope names: behind its length, in byte 34 of it.
local function kind_of(letter)
  local bytes = read_head(letter).bytes + 1
  local envelope = bytes + string.byte(letter, bytes) + 1
  local length = string.byte(letter, envelope) == 1 and string.byte(letter, envelope + 33)
  local kind = length and string.sub(letter, envelope + 34, envelope + 33 + length) or ''
  return string.match(kind, '^[%w_]+$') or ''
end

-- No letter goes without being counted: `purged` because of its age, or `deleted`.
local function count_gone(how, letter)
  call('HINCRBY', queue .. ':' .. how, kind_of(letter), 1)
end

-- Puts letters into their buckets. ARGV: of each: id, its number, bucket, what the bucket holds.
for at = 1, #ARGV, 4 do
  local id, number, name, holds = unpack(ARGV, at, at + 3)
  if call('HGET', queue .. ':dead:loose', id) == number then
    call('HDEL', queue .. ':dead:loose', id)
    local died_at = call('ZSCORE', queue .. ':dead:at', id)
    if died_at then
      call('ZADD', bucket_of(name), died_at, id)
      call('HSET', queue .. ':dead:in', id, name)
      call('HSETNX', queue .. ':dead:buckets', name, holds)
    end
  end
end
return 0

-- ARGV: from and to which time of death, as for ZCOUNT · names of buckets. Answers of each how many letters are in it, and
-- when the last of them died ('' = there is none).
local since, before = ARGV[1], ARGV[2]
local sizes = {}
for index = 3, #ARGV do
  local bucket = bucket_of(ARGV[index])
  sizes[#sizes + 1] = call('ZCOUNT', bucket, since, before)
  sizes[#sizes + 1] = call('ZREVRANGEBYSCORE', bucket, before, since, 'WITHSCORES', 'LIMIT', 0, 1)[2] or ''
end
return sizes

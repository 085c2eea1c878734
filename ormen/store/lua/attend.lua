-- An agent says that it is at a talk, and hears whether somebody still reads and up to where.
-- ARGV: talk, ttl. Replies: JSON {reader = 1 | 0, acked = id of the last frame that was read}.
local key = P .. 'talk:' .. A.talk
local k = redis.call('HMGET', key, 'acked', 'gone')
if not k[1] then return '{"reader":0,"acked":"0-0"}' end
redis.call('HSET', key, 'beat', int(NOW))
for _, part in ipairs({ '', ':in', ':out' }) do redis.call('EXPIRE', key .. part, A.ttl) end
return cjson.encode({ reader = k[2] and 0 or redis.call('EXISTS', key .. ':reader'), acked = k[1] })

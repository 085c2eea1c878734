-- Keep a new webhook; it is told of what happens from now on.
-- ARGV: hook, row = JSON. Replies: 1, or 0 when the name is taken.
-- Race closed: an event between the look at the stream and the first gathering; the cursor stands before it.
if redis.call('HSETNX', P .. 'webhooks', A.hook, A.row) == 0 then return 0 end
local newest = redis.call('XREVRANGE', P .. 'events', '+', '-', 'COUNT', 1)[1]
local key = P .. 'webhook:' .. A.hook
redis.call('DEL', key, key .. ':queue', key .. ':tries')
redis.call('HSET', key, 'cursor', newest and newest[1] or '0-0')
return 1

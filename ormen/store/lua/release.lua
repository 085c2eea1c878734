-- The brake ends: an operator releases it, or nothing waits any more.
-- ARGV: suspect = silence in ms, event, text; bar = 1: whoever is silent now is never counted again for this silence, so that
--       the same loss does not brake once more while a later one does.
-- Replies: 1, or 0 when the brake does not hold.
local key = P .. 'brake'
if redis.call('HEXISTS', key, 'on') == 0 then return 0 end
redis.call('HDEL', key, 'on', 'of', 'ease', 'removed')
if A.bar == '1' then
  redis.call('HSET', key, 'bar', int(NOW - A.suspect))
  redis.call('DEL', P .. 'nodes:lost')
end
emit(A.event, { text = A.text })
return 1

-- What came of a try to deliver a message of a webhook: it is done, or due again, or given up.
-- ARGV: hook, event, try = as it was claimed; ok = '1' when it was delivered; result = a sentence; delay = ms until the
--       next try; keep = ms after which an event is given up; gave = text of the event that says so, told once an hour;
--       back = text of the event that tells of the end of failing.
-- Replies: DONE, AGAIN, GIVEN_UP, or LATE: somebody else has it by now, or the hook is gone, and nothing was changed.
-- Race closed: a sender that was held up beyond its lease says that it failed, while another is sending the message.
local key = P .. 'webhook:' .. A.hook
if not redis.call('ZSCORE', key .. ':queue', A.event) then return 'LATE' end
if A.ok ~= '1' and redis.call('HGET', key .. ':tries', A.event) ~= A.try then return 'LATE' end
local function over(what)
  redis.call('ZREM', key .. ':queue', A.event)
  redis.call('HDEL', key .. ':tries', A.event)
  redis.call('HINCRBY', key, what, 1)
  redis.call('HINCRBY', P .. 'figures', 'hook ' .. what, 1)
end
redis.call('HSET', key, 'last', int(NOW), 'result', A.result)
if A.ok == '1' then
  over('delivered')
  if redis.call('HDEL', key, 'told') == 1 then emit('webhook.delivers', { text = A.back }) end
  redis.call('HDEL', key, 'failing')
  return 'DONE'
end
redis.call('HSETNX', key, 'failing', int(NOW))
redis.call('HINCRBY', P .. 'figures', 'hook failed', 1)
if NOW - string.match(A.event, '^%d+') <= tonumber(A.keep) then
  redis.call('ZADD', key .. ':queue', int(NOW + A.delay), A.event)
  return 'AGAIN'
end
over('dropped')
if NOW - (redis.call('HGET', key, 'told') or 0) > 3600000 then
  redis.call('HSET', key, 'told', int(NOW))
  emit('webhook.gave_up', { text = A.gave })
end
return 'GIVEN_UP'

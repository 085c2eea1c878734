-- Take the message of a webhook that is due, for a while: whoever takes it sends it and says what came of it.
-- ARGV: hook, lease = ms after which it is due again, should nothing be said.
-- Replies: {event id, number of the try, the event as a flat list}, or nothing: none is due.
-- Race closed: two decks that send; a message that is taken is due for nobody else until its lease is over.
local key = P .. 'webhook:' .. A.hook
for _ = 1, 100 do
  local id = redis.call('ZRANGEBYSCORE', key .. ':queue', '-inf', int(NOW), 'LIMIT', 0, 1)[1]
  if not id then return nil end
  local row = redis.call('XRANGE', P .. 'events', id, id)[1]
  if row then
    redis.call('ZADD', key .. ':queue', int(NOW + A.lease), id)
    return { id, redis.call('HINCRBY', key .. ':tries', id, 1), row[2] }
  end
  -- The event has been trimmed away since: there is nothing left to tell.
  redis.call('ZREM', key .. ':queue', id)
  redis.call('HDEL', key .. ':tries', id)
  redis.call('HINCRBY', key, 'dropped', 1)
  redis.call('HINCRBY', P .. 'figures', 'hook dropped', 1)
end
return nil

-- Queue for a webhook the events that it is to be told of, and move its cursor past them: at most 100 events a call.
-- ARGV: hook, most = how many messages may wait, keep = ms after which an event is news to nobody.
-- Replies: 1 when there may be more at once, else 0; nothing for a hook that is gone.
-- Race closed: two decks that read the same events; the second finds the cursor behind them, so each is queued once.
local raw = redis.call('HGET', P .. 'webhooks', A.hook)
if not raw then return 0 end
local wanted, key, queue = cjson.decode(raw).events, P .. 'webhook:' .. A.hook, P .. 'webhook:' .. A.hook .. ':queue'
local room = tonumber(A.most) - redis.call('ZCARD', queue)
local cursor = redis.call('HGET', key, 'cursor')
if room <= 0 then return 0 end
local rows = redis.call('XRANGE', P .. 'events', '(' .. cursor, '+', 'COUNT', 100)
for _, row in ipairs(rows) do
  local kind
  for i = 1, #row[2], 2 do if row[2][i] == 'type' then kind = row[2][i + 1] end end
  if has(wanted, kind) then
    if NOW - string.match(row[1], '^%d+') > tonumber(A.keep) then
      redis.call('HINCRBY', key, 'dropped', 1)
      redis.call('HINCRBY', P .. 'figures', 'hook dropped', 1)
    else
      redis.call('ZADD', queue, NOW, row[1])
      room = room - 1
    end
  end
  cursor = row[1]
  if room == 0 then break end
end
redis.call('HSET', key, 'cursor', cursor)
return (#rows == 100 or room == 0) and 1 or 0

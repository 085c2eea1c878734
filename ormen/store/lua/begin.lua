-- A loop's tick has come: may it run?
-- ARGV: loop, interval in ms. Replies: JSON {run, now, since, braked}; run = 0 when another tick was just before.
-- `since` is when liveness began to watch without a gap: when its last run is over 2 s ago or in the future (Redis was
-- away or its clock stepped, or beat was), every node's silence is counted anew instead of judged.
local began = tonumber(redis.call('HGET', P .. 'loops', A.loop .. ':began') or '0')
local since = redis.call('HGET', P .. 'loops', 'since') or int(NOW)
if began <= NOW and NOW - began < A.interval * 0.8 then return cjson.encode({ run = 0, now = int(NOW), since = since }) end
redis.call('HSET', P .. 'loops', A.loop .. ':began', int(NOW))
if A.loop == 'liveness' and (NOW - began > 2000 or began > NOW) then
  since = int(NOW)
  redis.call('HSET', P .. 'loops', 'since', since)
end
return cjson.encode({ run = 1, now = int(NOW), since = since, braked = redis.call('HEXISTS', P .. 'brake', 'on') })

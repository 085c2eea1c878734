-- An agent claims a talk, and tells that it begins. Only the first claim counts, so a ring that comes twice begins one.
-- ARGV: talk, node, instance, ttl. The event is named after the kind, and tells the program alone: arguments may be secrets.
-- Replies: JSON {code = OK, kind, task, options, attempt}, or {code} of why it is not to begin: GONE (there is none, or not
--       for this agent), TAKEN, LEFT (nobody waits for it any more), LATE (the task has moved on).
local key = P .. 'talk:' .. A.talk
local k = redis.call('HMGET', key, 'state', 'task', 'node', 'attempt', 'kind', 'options', 'by', 'states')
if not k[1] or k[3] ~= A.node or redis.call('HGET', P .. 'node:' .. A.node, 'instance') ~= A.instance then return '{"code":"GONE"}' end
if k[1] ~= 'asked' then return '{"code":"TAKEN"}' end
if redis.call('EXISTS', key .. ':reader') == 0 then
  redis.call('HSET', key, 'state', 'withdrawn')
  return '{"code":"LEFT"}'
end
local t = load(k[2])
if t.node ~= A.node or t.attempt ~= k[4] or t.wanted == 'removed' or not string.find(k[8], t.state, 1, true) then
  redis.call('HSET', key, 'state', 'over')
  return '{"code":"LATE"}'
end
redis.call('HSET', key, 'state', 'claimed', 'beat', int(NOW))
redis.call('EXPIRE', key, A.ttl)
local what = cjson.decode(k[6]).command
local word = what and what[1] or k[5]
happened(t, 'task.' .. k[5], { text = word .. (k[7] ~= '' and (', by ' .. k[7]) or '') })
return cjson.encode({ code = 'OK', kind = k[5], task = k[2], options = k[6], attempt = k[4] })

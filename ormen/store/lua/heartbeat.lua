-- A node lives. The answer is the second doorbell.
-- ARGV: node, instance, cluster, sent = ms of the host's clock, beat = JSON of what it measured, facts = JSON of what it
--       measures now and then, load = CPU load in thousandths, used = what the host uses of cpu, memory and disk,
--       trouble = reason code or '-', text.
-- Replies: JSON {known, replaced, heard (of one that is replaced: when the node last spoke), resync, inbox, age (ms the
--       inbox has not been empty), nodes, now}.
-- Nothing is written for a node that this Redis does not know, or for an instance that another has replaced; but an agent
-- of another cluster is noted for half a minute, at most 1,000 of them, so that whoever misses its node learns why.
local key = P .. 'node:' .. A.node
local ours = redis.call('GET', P .. 'cluster') == A.cluster
if not ours then
  redis.call('ZADD', P .. 'strangers', NOW, A.cluster .. ' ' .. A.node)
  redis.call('ZREMRANGEBYRANK', P .. 'strangers', 0, -1001)
  redis.call('EXPIRE', P .. 'strangers', 30)
end
local v = ours and view(A.node)
if not v then return cjson.encode({ known = 0, now = int(NOW) }) end
local h = redis.call('HMGET', key, 'instance', 'inbox_since', 'trouble')
if h[1] ~= A.instance then
  return cjson.encode({ known = 1, replaced = 1, heard = redis.call('ZSCORE', P .. 'nodes:heartbeats', A.node) or '0', now = int(NOW) })
end
redis.call('ZADD', P .. 'nodes:heartbeats', NOW, A.node)
redis.call('HSET', key, 'beat', A.beat, 'skew', int((A.sent or NOW) - NOW))
if A.facts then redis.call('HSET', key, 'facts', A.facts) end
local changed = v.trouble ~= A.trouble or math.abs(v.load - A.load) >= 50
-- Placing looks at every node's view, which is to stay as it is while nothing matters: a 64th of what the node has does.
for i, word in ipairs({ 'cpu', 'memory', 'disk' }) do
  if math.abs(v['u' .. word] - A.used[i]) * 64 > v[word] then changed = true end
end
if v.trouble ~= A.trouble then
  if A.trouble == '-' then
    redis.call('HDEL', key, 'trouble', 'trouble_since')
  else
    redis.call('HSET', key, 'trouble', A.text)
    if v.trouble == '-' then redis.call('HSET', key, 'trouble_since', int(NOW)) end
  end
end
if v.lost == '1' then
  v.lost, changed = '0', true
  redis.call('ZREM', P .. 'nodes:lost', A.node)
end
v.trouble, v.load = A.trouble, A.load
v.ucpu, v.umemory, v.udisk = tonumber(A.used[1]), tonumber(A.used[2]), tonumber(A.used[3])
if changed then put_view(A.node, v) end
local inbox = redis.call('LLEN', P .. 'node:' .. A.node .. ':inbox')
return cjson.encode({ known = 1, replaced = 0, resync = v.synced == '1' and 0 or 1, inbox = inbox,
  age = inbox > 0 and int(NOW - (h[2] or NOW)) or '0', nodes = redis.call('HLEN', P .. 'nodes:view'), now = int(NOW) })

-- An agent goes down on purpose: with its containers, and the node is silent from now on; or alone, and is waited for.
-- ARGV: node, instance, wait = ms for which it is waited for, '0' if it took its containers along.
-- Replies: 0 for an instance that was replaced.
local v = view(A.node)
if not v or redis.call('HGET', P .. 'node:' .. A.node, 'instance') ~= A.instance then return 0 end
if A.wait ~= '0' then
  redis.call('HSET', P .. 'node:' .. A.node, 'awaited', int(NOW + A.wait))
  return 1
end
v.synced = '0'
put_view(A.node, v)
redis.call('ZADD', P .. 'nodes:heartbeats', 0, A.node)
redis.call('HSET', P .. 'node:' .. A.node, 'left', int(NOW))
redis.call('ZREM', P .. 'nodes:lost', A.node)
return 1

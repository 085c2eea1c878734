-- An agent has looked at all of Docker and at all of its records: from now on the node may be given tasks.
-- ARGV: node, instance, orphans = JSON list of container names, text. Replies: 1 when somebody waits for room.
local v = view(A.node)
if not v or redis.call('HGET', P .. 'node:' .. A.node, 'instance') ~= A.instance then return 0 end
redis.call('HSET', P .. 'node:' .. A.node, 'orphans', A.orphans)
if v.synced == '1' then return 0 end
v.synced = '1'
put_view(A.node, v)
redis.call('HDEL', P .. 'nodes:shown', A.node)
emit('node.ready', { node = A.node, text = A.text })
return waiting()

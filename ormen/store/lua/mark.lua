-- A person says what a node is for: active, draining or cordoned.
-- ARGV: node, mode, by, why, event, text. Replies: 0 when there is no such node, else 1.
local v = view(A.node)
if not v then return 0 end
v.mode = A.mode
put_view(A.node, v)
redis.call('HSET', P .. 'node:' .. A.node, 'by', A.by, 'why', A.why, 'marked', int(NOW))
redis.call('HDEL', P .. 'nodes:shown', A.node)
emit(A.event, { node = A.node, text = A.text })
return 1

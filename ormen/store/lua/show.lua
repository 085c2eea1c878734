-- A node's derived state is told once, as an event.
-- ARGV: node, state, text; heard = the heartbeat that was judged, as the judge read it, absent when silence is not why.
-- Replies: 1 when it was news.
-- Races closed: a judge that was held up between looking and telling; a node that has been heard since is not silent.
-- One that speaks again after it was lost is not ready before its complete pass, which tells that itself.
local key = P .. 'nodes:shown'
local v = view(A.node)
if not v or (redis.call('HGET', key, A.node) or 'ready') == A.state then return 0 end
if A.state == 'ready' and v.synced ~= '1' then return 0 end
if A.heard and tonumber(redis.call('ZSCORE', P .. 'nodes:heartbeats', A.node) or 0) > tonumber(A.heard) then return 0 end
if A.state == 'ready' then redis.call('HDEL', key, A.node) else redis.call('HSET', key, A.node, A.state) end
emit('node.' .. A.state, { node = A.node, text = A.text })
return 1

-- A node is to be forgotten: only one that holds nothing, or that is lost and whose tasks have been taken from it.
-- At most 100 of its tasks a call.
-- ARGV: node, ids = some of node:<n>:tasks, suspect = silence in ms, queue = the keys of its Celery queue, text.
-- Replies: JSON {code = OK, MORE, NONE or BUSY}.
-- The queue of an agent that still speaks is left: it consumes it, and joins again.
local v, key = view(A.node), P .. 'node:' .. A.node
if not v then return '{"code":"NONE"}' end
if v.lost ~= '1' and v.tasks > 0 then return '{"code":"BUSY"}' end
local tasks = {}
for i, id in ipairs(A.ids) do
  local t = load(id)
  if t.wanted ~= 'removed' and t.node == A.node and (t.state == 'scheduled' or t.state == 'running') then return '{"code":"BUSY"}' end
  tasks[i] = t
end
for _, t in ipairs(tasks) do
  redis.call('SREM', P .. 'node:' .. A.node .. ':tasks', t.id)
  local rest = {}
  if t.state then
    if t.seat == A.node then release(t) end
    for _, node in ipairs(cjson.decode(t.holders or '[]')) do if node ~= A.node then rest[#rest + 1] = node end end
    if #rest > 0 then set(t, { holders = cjson.encode(rest) }) else unset(t, 'holders') end
    if t.wanted == 'removed' and #rest == 0 then erase(t) end
  end
end
if redis.call('SCARD', P .. 'node:' .. A.node .. ':tasks') > 0 then return '{"code":"MORE"}' end
local heard = redis.call('ZSCORE', P .. 'nodes:heartbeats', A.node)
if not heard or NOW - heard > tonumber(A.suspect) then redis.call('DEL', unpack(A.queue)) end
local on, lost = redis.call('HGET', P .. 'brake', 'on'), redis.call('ZSCORE', P .. 'nodes:lost', A.node)
if on and lost and tonumber(lost) >= on - 30000 then redis.call('HINCRBY', P .. 'brake', 'removed', 1) end
redis.call('DEL', key, key .. ':inbox', key .. ':tasks', key .. ':probes', key .. ':groups')
redis.call('HDEL', P .. 'nodes:view', A.node)
redis.call('HDEL', P .. 'nodes:facts', A.node)
redis.call('HDEL', P .. 'nodes:shown', A.node)
redis.call('ZREM', P .. 'nodes:changes', A.node)
redis.call('HSET', P .. 'nodes:rev', 'whole', redis.call('HINCRBY', P .. 'nodes:rev', 'last', 1))
redis.call('ZREM', P .. 'nodes:heartbeats', A.node)
redis.call('ZREM', P .. 'nodes:lost', A.node)
emit('node.removed', { node = A.node, text = A.text })
return '{"code":"OK"}'

-- A node is to be forgotten: only one that holds nothing, or that is lost and whose tasks have been taken from it.
-- At most 100 of its tasks a call.
-- ARGV: node, ids = some of node:<n>:tasks, text. Replies: JSON {code = OK, MORE, NONE or BUSY}.
local v = view(A.node)
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
redis.call('DEL', P .. 'node:' .. A.node, P .. 'node:' .. A.node .. ':inbox', P .. 'node:' .. A.node .. ':tasks', P .. 'node:' .. A.node .. ':probes')
redis.call('HDEL', P .. 'nodes:view', A.node)
redis.call('HDEL', P .. 'nodes:facts', A.node)
redis.call('ZREM', P .. 'nodes:heartbeats', A.node)
emit('node.removed', { node = A.node, text = A.text })
return '{"code":"OK"}'

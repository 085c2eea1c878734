-- A user wants a task's record gone.
-- ARGV: id, force, text. Replies: JSON {state ('' when there is none), refused, node, ring, room, knocked = nodes to ring}.
-- A task that may have a container anywhere leaves a tombstone: its record, wanted 'removed', out of every index, until
-- each agent concerned has confirmed. So absence is never an order.
local t = load(A.id)
if not t.state or t.wanted == 'removed' then return cjson.encode({ state = '' }) end
local live = t.state == 'scheduled' or t.state == 'running'
if live and A.force ~= '1' then return cjson.encode({ state = t.state, refused = 1, node = t.node or '' }) end
emit('task.removed', { task = t.id, name = t.name, attempt = t.attempt, node = t.node, from = t.state, text = A.text })
unlist(t)
if t.state ~= 'scheduled' and t.state ~= 'running' then release(t) end
local nodes, left = {}, {}
for _, node in ipairs(cjson.decode(t.holders or '[]')) do
  if redis.call('HEXISTS', P .. 'nodes:view', node) == 1 then
    left[#left + 1] = node
    if knock(node, t.id) == 1 then nodes[#nodes + 1] = node end
  end
end
if #left == 0 then
  release(t)
  erase(t)
else
  set(t, { wanted = 'removed', holders = cjson.encode(left) })
end
return '{"state":"' .. t.state .. '","room":' .. waiting() .. ',"ring":' .. (#nodes > 0 and cjson.encode(nodes) or '[]') .. '}'

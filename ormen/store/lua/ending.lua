-- What ends a task or forgets it, shared by the verbs that do: this stands behind common.lua.
-- A task that ends gives its name free and stays findable by it.
local function retire(t)
  if redis.call('HGET', P .. 'names', t.name) == t.id then redis.call('HDEL', P .. 'names', t.name) end
  redis.call('ZADD', P .. 'past', 0, t.name .. '\0' .. t.created .. '\0' .. t.id)
  redis.call('ZADD', P .. 'ended', NOW, t.id)
  if not t.ended then set(t, { ended = int(NOW) }) end
end

-- Forget a task's record; its spec and its pin go with the last task that has them.
local function erase(t)
  redis.call('DEL', P .. 'task:' .. t.id)
  for _, key in ipairs({ 'spec:' .. t.spec, t.pin and 'pin:' .. t.pin }) do
    if redis.call('HINCRBY', P .. key, 'tasks', -1) <= 0 then redis.call('DEL', P .. key) end
  end
end

-- Remove a task: take it out of every index, its name too if it still holds it; return the nodes to ring. One that may have
-- a container anywhere leaves a tombstone: its record, wanted 'removed', until each agent concerned has confirmed.
local function bury(t, text)
  happened(t, 'task.removed', { from = t.state, text = text })
  if redis.call('HGET', P .. 'names', t.name) == t.id then redis.call('HDEL', P .. 'names', t.name) end
  redis.call('ZREM', P .. 'past', t.name .. '\0' .. t.created .. '\0' .. t.id)
  for _, index in ipairs({ 'tasks:' .. t.state, 'ids', 'ended', 'pending', 'waiting', 'deadlines', 'scheduled' }) do redis.call('ZREM', P .. index, t.id) end
  count('counts', t.state, -1)
  if (t.state ~= 'scheduled' and t.state ~= 'running') or (view(t.seat or '') or {}).lost == '1' then release(t) end
  local ring, left = {}, {}
  for _, node in ipairs(cjson.decode(t.holders or '[]')) do
    if redis.call('HEXISTS', P .. 'nodes:view', node) == 1 then
      left[#left + 1] = node
      if knock(node, t.id) == 1 then ring[#ring + 1] = node end
    end
  end
  if #left > 0 then
    set(t, { wanted = 'removed', removed = int(NOW), holders = cjson.encode(left) })
  else
    release(t)
    erase(t)
  end
  return ring
end

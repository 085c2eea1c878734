-- A node has been silent, or useless, for too long: take tasks from it, at most 100 a call.
-- ARGV: node, ids, lost = silence in ms, useless = ms of trouble; code, text for the tasks; node_text for the node;
--       unseen = text of a task that was to be stopped; avoid = ms to prefer other nodes.
-- Replies: JSON {lost = 0 or 1, moved}. Reads the ages again, so a heartbeat that came meanwhile saves the node.
local v = view(A.node)
if not v then return cjson.encode({ lost = 0, moved = 0 }) end
local beat = math.max(redis.call('ZSCORE', P .. 'nodes:heartbeats', A.node) or 0, redis.call('HGET', P .. 'loops', 'since') or 0)
local trouble = redis.call('HGET', P .. 'node:' .. A.node, 'trouble_since')
local silent = NOW - beat > tonumber(A.lost)
if not silent and not (trouble and NOW - trouble > tonumber(A.useless)) then return cjson.encode({ lost = 0, moved = 0 }) end
if silent and v.lost == '0' then
  v.lost, v.synced = '1', '0'
  put_view(A.node, v)
  emit('node.lost', { node = A.node, code = 'NODE_LOST', text = A.node_text })
end
local moved = 0
for _, id in ipairs(A.ids) do
  local t = load(id)
  if t.node == A.node and (t.state == 'scheduled' or t.state == 'running') and t.wanted ~= 'removed' then
    moved = moved + 1
    local stopped = t.wanted == 'stopped'
    local code, text = stopped and 'STOPPED_UNSEEN' or A.code, stopped and A.unseen or A.text
    close(t, code, text, '[]')
    release(t)
    if stopped then
      retire(t)
      move(t, 'completed', 'task.completed', code, text)
    else
      local avoid = cjson.decode(t.avoid or '{}')
      avoid[A.node] = int(NOW + A.avoid)
      set(t, { avoid = cjson.encode(avoid), next = int(NOW) })
      move(t, 'pending', 'task.pending', code, text)
    end
  elseif t.seat == A.node and t.state == 'pending' then
    release(t)
  end
end
return cjson.encode({ lost = 1, moved = moved })

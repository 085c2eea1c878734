-- A node has been silent, or useless, for too long: take tasks from it, at most 100 a call, unless the brake holds them.
-- ARGV: node, ids, lost and suspect = silence in ms, useless = ms of trouble; insist = 1: the node will not return, whatever the brake says;
--       code, text for the tasks; moved, held = texts for the node; unseen = text of a task that was to be stopped;
--       on, off = texts of the brake, with two %d; avoid = ms to prefer other nodes.
-- Replies: JSON {lost = 0 or 1, moved, held = 0 or 1}. Reads the ages again: a heartbeat that came meanwhile saves the node.
local v = view(A.node)
if not v then return cjson.encode({ lost = 0, moved = 0, held = 0 }) end
local heard = tonumber(redis.call('ZSCORE', BEATS, A.node) or 0)
local trouble = redis.call('HGET', P .. 'node:' .. A.node, 'trouble_since')
local awaited = tonumber(redis.call('HGET', P .. 'node:' .. A.node, 'awaited') or 0)
local silent = NOW - math.max(heard, redis.call('HGET', P .. 'loops', 'since') or 0) > tonumber(A.lost) and NOW > awaited
silent = silent or (v.lost == '1' and A.insist == '1')
if not silent and not (trouble and NOW - trouble > tonumber(A.useless)) then
  return cjson.encode({ lost = 0, moved = 0, held = 0 })
end
local news, counts = silent and v.lost == '0', heard > bar()
if news then
  v.lost, v.synced = '1', '0'
  put_view(A.node, v)
  if counts then redis.call('ZADD', LOSSES, v.mode ~= 'active' and v.tasks == 0 and 0 or NOW, A.node) end
end
local held = silent and counts and v.tasks > 0 and A.insist ~= '1' and braked(A)
if news then emit('node.lost', { node = A.node, code = 'NODE_LOST', text = held and A.held or A.moved }) end
local moved = 0
for _, id in ipairs(A.ids) do
  local t = load(id)
  local stopped = t.wanted == 'stopped'
  if t.node == A.node and (t.state == 'scheduled' or t.state == 'running') and t.wanted ~= 'removed' then
    if stopped or not held then
      moved = moved + 1
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
    end
  elseif t.seat == A.node and t.state == 'pending' then
    release(t)
  end
end
return cjson.encode({ lost = 1, moved = moved, held = held and 1 or 0 })

-- Tasks that were sent to a node of which its agent has said nothing for too long, at most 100. A node that is silent
-- altogether is left to `lose`, and to the brake.
-- ARGV: ids, age = ms, suspect = silence in ms, avoid = ms, text. Replies: ids that are pending again.
local moved = {}
for _, id in ipairs(A.ids) do
  local spoke, t = redis.call('ZSCORE', P .. 'scheduled', id), load(id)
  local heard = t.node and redis.call('ZSCORE', P .. 'nodes:heartbeats', t.node)
  local silent = heard and NOW - heard > tonumber(A.suspect)
  if spoke and not silent and t.state == 'scheduled' and NOW - spoke > tonumber(A.age) and t.wanted == 'running' then
    close(t, 'START_STALLED', A.text, '[]')
    release(t)
    local avoid = cjson.decode(t.avoid or '{}')
    avoid[t.node] = int(NOW + A.avoid)
    set(t, { avoid = cjson.encode(avoid), next = int(NOW) })
    move(t, 'pending', 'task.pending', 'START_STALLED', A.text)
    knock(t.node, id)
    moved[#moved + 1] = id
  end
end
return moved

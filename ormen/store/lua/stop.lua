-- A user wants a task stopped.
-- ARGV: id; text, asked, unseen = sentences for: it waited, its agent is asked, its node is lost.
-- Replies: JSON {state, node, ring (the node wants a ring), room (somebody waits for what was freed)}.
-- What has no container ends here; what has one ends when its agent says that the container is gone. A lost node cannot
-- say so: the task ends unseen and stays on the node's list until the agent has confirmed.
local t = load(A.id)
if not t.state or t.wanted == 'removed' then return cjson.encode({ state = '' }) end
local reply = { state = t.state, node = t.node or '', ring = 0, room = 0 }
local v = t.node and view(t.node)
if t.state == 'pending' then
  set(t, { wanted = 'stopped' })
  release(t)
  retire(t)
  move(t, 'completed', 'task.completed', 'STOPPED', A.text)
  if t.node then reply.ring = knock(t.node, t.id) end
  reply.room = waiting()
elseif t.state == 'scheduled' or t.state == 'running' then
  set(t, { wanted = 'stopped', rev = int((t.rev or 0) + 1) })
  if not v or v.lost == '1' then
    close(t, 'STOPPED_UNSEEN', A.unseen, '[]')
    release(t)
    retire(t)
    move(t, 'completed', 'task.completed', 'STOPPED_UNSEEN', A.unseen)
    reply.room = waiting()
  else
    happened(t, 'task.stopping', { text = A.asked })
  end
  if v then reply.ring = knock(t.node, t.id) end
end
reply.state = t.state
return cjson.encode(reply)

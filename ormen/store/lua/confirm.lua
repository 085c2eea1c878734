-- An agent says that nothing of a task is left on its node.
-- ARGV: id, node. Replies: 1 when that freed room somebody waits for.
-- The record of a removed task ends here, once the last node that may hold a container of it has confirmed. A task that
-- waits out its back-off keeps its seat, and so stays on the node's list.
local t = load(A.id)
if t.seat == A.node and t.wanted ~= 'removed' then return 0 end
redis.call('SREM', P .. 'node:' .. A.node .. ':tasks', A.id)
if not t.state then return 0 end
local rest = {}
for _, node in ipairs(cjson.decode(t.holders or '[]')) do if node ~= A.node then rest[#rest + 1] = node end end
if #rest > 0 then set(t, { holders = cjson.encode(rest) }) else unset(t, 'holders') end
if t.wanted ~= 'removed' then
  -- Of an ended task only the attempt still names the container that is gone.
  if t.cid and t.node == A.node and (t.state == 'completed' or t.state == 'failed') then
    unset(t, 'cid')
    set(t, { rev = int((t.rev or 0) + 1) })
  end
  return 0
end
if t.seat == A.node then release(t) end
if #rest == 0 then erase(t) end
return waiting()

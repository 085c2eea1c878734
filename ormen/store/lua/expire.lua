-- Pending tasks that have waited as long as their spec lets them, at most 100, fail.
-- ARGV: tasks = list of {id, text}. Replies: JSON {failed = ids, ring = the nodes of their last attempts that want one}.
-- Race closed: one that was placed, stopped or tried anew since it was chosen is left alone.
local failed, ring = {}, {}
for _, row in ipairs(A.tasks) do
  local t = load(row.id)
  if t.state == 'pending' and t.wanted == 'running' and t.until_ms and NOW >= tonumber(t.until_ms) then
    release(t)
    retire(t)
    move(t, 'failed', 'task.failed', 'DEADLINE_WAIT', row.text)
    failed[#failed + 1] = t.id
    if t.node and knock(t.node, t.id) == 1 then ring[#ring + 1] = t.node end
  end
end
return cjson.encode({ failed = failed, ring = ring })

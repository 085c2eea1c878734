-- Tasks that are to leave their node, at most 100: their agent stops each, and it is placed again.
-- ARGV: node, ids, code. Replies: JSON {ring (the node wants a ring), names}.
local ring, names = 0, {}
for _, id in ipairs(A.ids) do
  local t = load(id)
  if t.node == A.node and (t.state == 'scheduled' or t.state == 'running') and t.wanted == 'running' and t.restart ~= t.attempt then
    set(t, { restart = t.attempt, restart_code = A.code, rev = int((t.rev or 0) + 1) })
    ring = math.max(ring, knock(A.node, id))
    names[#names + 1] = t.name
  end
end
return cjson.encode({ ring = ring, names = names })

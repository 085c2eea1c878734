-- Tasks that are to leave their node, at most 100: their agent stops each, and it is placed again.
-- ARGV: node, ids, code. Replies: JSON {names = of those that were not asked before}: with any, the node wants a ring.
local names = {}
for _, id in ipairs(A.ids) do
  local t = load(id)
  if t.node == A.node and (t.state == 'scheduled' or t.state == 'running') and t.wanted == 'running' and t.restart ~= t.attempt then
    set(t, { restart = t.attempt, restart_code = A.code, rev = int((t.rev or 0) + 1) })
    knock(A.node, id)
    names[#names + 1] = t.name
  end
end
return cjson.encode({ names = names })

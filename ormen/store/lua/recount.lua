-- Count again what a node's tasks hold, at most 100 tasks, to compare with what its view says.
-- ARGV: node, ids. Replies: JSON {cpu, memory, disk, tasks} as held by those ids.
local sum = { rcpu = 0, rmemory = 0, rdisk = 0, tasks = 0 }
for _, id in ipairs(A.ids) do
  local t = load(id)
  if t.seat == A.node then reserve(sum, t.need, 1) end
end
return cjson.encode({ cpu = int(sum.rcpu), memory = int(sum.rmemory), disk = int(sum.rdisk), tasks = int(sum.tasks) })

-- Count again what nodes' tasks hold, at most 100 tasks, to compare with what the nodes' views say.
-- ARGV: nodes, ids = side by side, a node and a task that may have its seat there.
-- Replies: JSON node -> {cpu, memory, disk, tasks} as held by those ids.
local sums = {}
for i, id in ipairs(A.ids) do
  local node = A.nodes[i]
  local sum = sums[node] or { rcpu = 0, rmemory = 0, rdisk = 0, tasks = 0 }
  sums[node] = sum
  local found = redis.call('HMGET', P .. 'task:' .. id, 'seat', 'need')
  if found[1] == node then reserve(sum, found[2], 1) end
end
for node, sum in pairs(sums) do sums[node] = { int(sum.rcpu), int(sum.rmemory), int(sum.rdisk), int(sum.tasks) } end
return cjson.encode(sums)

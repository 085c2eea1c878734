-- Give pending tasks to nodes, at most 100: the only verb that takes room, so it checks everything again.
-- ARGV: tasks = list of {id, node, ports = JSON of [container, host, protocol, bind] and gpus = JSON of ids, absent where there are none, chosen = why this node, if that is said,
--       address of the node where there are ports, text, group, most, near, far}; suspect = age in ms from which a node's heartbeat is too old;
--       rings = node -> {queue, message} that rings it.
-- Replies: JSON list, one entry a task: [OK, attempt, when, nodes that want a ring and have none], these being former ones, as
--       they may still have a container of the task; or [code, what is in the way]: STATE, NODE, FIT, PORT, GPU, MAX_PER_NODE, NEAR or FAR.
-- Race closed: any number of schedulers that placed on the same view; only what still fits is written.
local function assign(a)
  local t, v = load(a.id), view(a.node)
  if t.state ~= 'pending' or t.wanted ~= 'running' then return { 'STATE', t.state or 'gone' } end
  local beat = redis.call('ZSCORE', P .. 'nodes:heartbeats', a.node)
  if not v or v.mode ~= 'active' or v.synced ~= '1' or v.trouble ~= '-' or not beat
      or NOW - beat > tonumber(A.suspect) then return { 'NODE', a.node } end
  local rule = a.group and forbidden(a, t)
  if rule then return { rule, a.node } end
  local cpu, memory, disk = amounts(t.need)
  if t.seat == a.node then reserve(v, t.need, -1) end
  if v.rcpu + cpu > v.cpu or v.rmemory + memory > v.memory or v.rdisk + disk > v.disk then return { 'FIT', a.node } end
  local ports = cjson.decode(a.ports or '[]')
  local taken = clash(v.engine, ports, a.id)
  if taken then return { 'PORT', taken } end
  local gpus = cjson.decode(a.gpus or '[]')
  local other = withheld(a.node, a.id, gpus)
  if other then return { 'GPU', other } end
  if t.seat then
    release(t)
    v = view(a.node)
  end
  if #gpus > 0 then lend(a.node, a.id, gpus) end
  reserve(v, t.need, 1)
  put_view(a.node, v)
  hold(v.engine, ports, a.id)
  unset(t, 'cid', 'exit', 'started', 'ended', 'healthy', 'health', 'probes', 'restart', 'restart_code', 'ports', 'gpus', 'address', 'placement', 'chosen')
  local holders, unrung = cjson.decode(t.holders or '[]'), {}
  if not has(holders, a.node) then holders[#holders + 1] = a.node end
  move(t, 'scheduled', 'task.placed', nil, a.text, { node = a.node, seat = a.node, attempt = int(t.attempt + 1), ports = a.ports,
    gpus = a.gpus, chosen = a.chosen, address = a.address, assigned = int(NOW), detail = 'sent to ' .. a.node, here = settle(a),
    engine = #ports > 0 and v.engine or nil, holders = cjson.encode(holders) })
  redis.call('SADD', P .. 'node:' .. a.node .. ':tasks', a.id)
  for _, node in ipairs(holders) do if knock(node, a.id, node == a.node) == 1 then unrung[#unrung + 1] = node end end
  return { 'OK', t.attempt, int(NOW), unrung }
end

for i, a in ipairs(A.tasks) do A.tasks[i] = assign(a) end
return cjson.encode(A.tasks)

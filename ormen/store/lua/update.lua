-- A user changes a task: its name, its labels, what it reserves and may use.
-- ARGV: id; was = the spec's id that the change was made from; spec, json = the new spec's id and text; name; need;
--       resize = '1' when a container that runs has to be given other limits; text.
-- Replies: JSON {state, node, ring, due (it may be placed now), room (room was freed)}, or nothing written and {stale = 1},
--       {taken = the id that has the name} or {lacks = name of the amount, free = what the node could give of it}.
-- Races closed: two changes at once, the second is made anew from what the first has left; and room is taken here, where
-- assign takes it, so that no node is filled beyond what it has.
local t = load(A.id)
if not t.state or t.wanted == 'removed' then return cjson.encode({ state = '' }) end
if t.spec ~= A.was then return cjson.encode({ state = t.state, stale = 1 }) end
local live = redis.call('HGET', P .. 'names', t.name) == t.id
local holder = redis.call('HGET', P .. 'names', A.name)
if live and holder and holder ~= t.id then return cjson.encode({ state = t.state, taken = holder }) end
local reply = { state = t.state, node = t.node or '', ring = 0, due = 0, room = 0 }
local v = t.seat and A.need ~= t.need and view(t.seat)
if v then
  local before = { rcpu = v.rcpu, rmemory = v.rmemory, rdisk = v.rdisk }
  reserve(v, t.need, -1)
  local rest = { cpu = v.cpu - v.rcpu, memory = v.memory - v.rmemory }
  reserve(v, A.need, 1)
  for _, word in ipairs({ 'cpu', 'memory' }) do
    if v['r' .. word] > before['r' .. word] and v['r' .. word] > v[word] then
      return cjson.encode({ state = t.state, node = t.seat, lacks = word, free = int(rest[word]) })
    end
    if v['r' .. word] < before['r' .. word] then reply.room = waiting() end
  end
  put_view(t.seat, v)
end
if A.name ~= t.name then
  if live then
    redis.call('HDEL', P .. 'names', t.name)
    redis.call('HSET', P .. 'names', A.name, t.id)
  elseif redis.call('ZREM', P .. 'past', t.name .. '\0' .. t.created .. '\0' .. t.id) == 1 then
    redis.call('ZADD', P .. 'past', 0, A.name .. '\0' .. t.created .. '\0' .. t.id)
  end
end
redis.call('HSET', P .. 'spec:' .. A.spec, 'json', A.json, 'tasks', 1)
if redis.call('HINCRBY', P .. 'spec:' .. t.spec, 'tasks', -1) <= 0 then redis.call('DEL', P .. 'spec:' .. t.spec) end
set(t, { name = A.name, spec = A.spec, need = A.need, rev = int((t.rev or 0) + 1) })
if A.resize == '1' and (t.state == 'scheduled' or t.state == 'running') then
  set(t, { resize = int((t.resize or 0) + 1) })
  unset(t, 'refused')
  reply.ring = knock(t.node, t.id)
elseif t.state == 'pending' and t.fit then
  set(t, { next = int(NOW) })
  queue(t)
  reply.due = 1
end
happened(t, 'task.updated', { text = A.text })
return cjson.encode(reply)

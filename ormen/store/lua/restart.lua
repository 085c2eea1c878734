-- A user wants a task started anew (verb 'restart') or tried now (verb 'retry').
-- ARGV: id, verb, code, text. Replies: JSON {state, node, ring, due (1: it may be placed now), taken (the id that has its name)}.
-- A container that runs is stopped by its agent first: `restart` names the attempt that is to end, so a repeated
-- request for the same attempt is one restart. One that is being stopped is wanted again.
local t = load(A.id)
if not t.state or t.wanted == 'removed' then return cjson.encode({ state = '' }) end
local reply = { state = t.state, node = t.node or '', ring = 0, due = 0 }
local again = A.verb == 'restart'
if t.state == 'completed' and not again then return cjson.encode(reply) end
if t.state == 'completed' or t.state == 'failed' then
  local holder = redis.call('HGET', P .. 'names', t.name)
  if holder and holder ~= t.id then return cjson.encode({ state = t.state, taken = holder }) end
  redis.call('HSET', P .. 'names', t.name, t.id)
  redis.call('ZREM', P .. 'past', t.name .. '\0' .. t.created .. '\0' .. t.id)
  redis.call('ZREM', P .. 'ended', t.id)
  set(t, { wanted = 'running', next = int(NOW), tries = '0', delays = '0' })
  unset(t, 'avoid')
  move(t, 'pending', 'task.pending', 'RESTARTED', A.text)
  reply.due = 1
elseif t.state == 'pending' then
  set(t, { next = int(NOW), delays = '0', rev = int((t.rev or 0) + 1) })
  queue(t)
  happened(t, 'task.retried', { text = A.text })
  reply.due = 1
elseif again and (view(t.node) or { lost = '1' }).lost == '1' then
  -- Its node is lost and the brake holds it: nobody can stop it there, and the user wants it to run.
  close(t, A.code, A.text, '[]')
  release(t)
  set(t, { wanted = 'running', next = int(NOW) })
  move(t, 'pending', 'task.pending', A.code, A.text)
  reply.ring = knock(t.node, t.id)
  reply.due = 1
elseif again then
  set(t, { wanted = 'running', restart = t.attempt, restart_code = A.code, rev = int((t.rev or 0) + 1) })
  reply.ring = knock(t.node, t.id)
end
reply.state = t.state
return cjson.encode(reply)

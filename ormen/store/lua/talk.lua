-- Open a talk with a task's container; its node's agent is to claim it (`pick`).
-- ARGV: talk = its id, id, node, attempt (the fence), states = those of the task in which it makes sense, kind,
--       options = JSON, by, reader and ttl = seconds.
-- Replies: OK; KNOWN (the very same was asked before: nothing is done twice); OTHER (the id is of another talk); or STATE
--       (the task has moved on). Closes: the container ends or moves while somebody decides to enter it.
local key = P .. 'talk:' .. A.talk
local known = redis.call('HMGET', key, 'task', 'kind', 'options', 'by')
if known[1] then
  local same = known[1] == A.id and known[2] == A.kind and known[3] == A.options and known[4] == A.by
  return same and 'KNOWN' or 'OTHER'
end
local t = load(A.id)
if not has(A.states, t.state) or t.wanted == 'removed' or t.node ~= A.node or t.attempt ~= A.attempt then return 'STATE' end
redis.call('HSET', key, 'state', 'asked', 'task', A.id, 'node', A.node, 'attempt', A.attempt, 'kind', A.kind,
  'options', A.options, 'by', A.by, 'states', table.concat(A.states, ' '), 'seq', '0', 'unread', '0', 'acked', '0-0')
redis.call('EXPIRE', key, A.ttl)
redis.call('SET', key .. ':reader', '1', 'EX', A.reader)
local request = P .. 'request:' .. A.talk
redis.call('HSET', request, 'kind', 'talk', 'task', A.id, 'options', '{}')
redis.call('EXPIRE', request, A.ttl)
knock(A.node, '?' .. A.talk)
return 'OK'

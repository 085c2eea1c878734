-- Store new tasks, at most 100, all or none.
-- ARGV: cluster = the one that the containers' names are of, or '' for any; specs = spec id -> JSON; dry = '1' to check only;
--       tasks = list of {id, name, spec, pin, digest, container, need, wait, text, patience, priority};
--       list = the transaction of which this is a part, or '': a part whose check refused it lets none be written.
--       pin: under which id its tag's image is kept, or absent where that is not to be settled;
--       patience: milliseconds after which it fails if it does not run, or absent; priority: or absent for 50;
--       wait: milliseconds until the loops may look at it, so that the request that creates it places it first.
-- Replies: JSON {cluster = its id} where it is another, or {conflicts = list of [code, id, other id]}, and nothing written;
--       or {known = ids with the same content, now = the time of the others' creation}.
-- Race closed: two clients with the same id or name; the second sees the first's record or conflict.
-- A content is told from another by so many digits of its hash; a record of before has all 64.
local DIGITS = 16
local cluster = redis.call('GET', P .. 'cluster') or ''
if A.cluster ~= '' and A.cluster ~= cluster then return cjson.encode({ cluster = cluster }) end
local conflicts, known, fresh = {}, {}, {}
for _, n in ipairs(A.tasks) do
  local held = redis.call('HMGET', P .. 'task:' .. n.id, 'digest', 'wanted')
  if held[1] then
    if string.sub(n.digest, 1, #held[1]) == held[1] and held[2] ~= 'removed' then known[#known + 1] = n.id else conflicts[#conflicts + 1] = { 'ID_TAKEN', n.id, n.id } end
  else
    local holder = redis.call('HGET', P .. 'names', n.name)
    if holder then conflicts[#conflicts + 1] = { 'NAME_TAKEN', n.id, holder } end
    fresh[#fresh + 1] = n
  end
end
local refused = P .. 'refused:' .. A.list
if #conflicts > 0 then
  if A.list ~= '' then redis.call('SET', refused, 1, 'PX', 1000) end
  return cjson.encode({ conflicts = conflicts })
end
if A.list ~= '' and redis.call('EXISTS', refused) == 1 then return cjson.encode({ known = {} }) end
if A.dry ~= '1' then
  local state = 'pending'
  for _, n in ipairs(fresh) do
    if A.specs[n.spec] then redis.call('HSET', P .. 'spec:' .. n.spec, 'json', A.specs[n.spec]) end
    A.specs[n.spec] = nil
    count('spec:' .. n.spec, 'tasks', 1)
    redis.call('HSET', P .. 'names', n.name, n.id)
    redis.call('ZADD', P .. 'tasks:' .. state, NOW, n.id)
    redis.call('ZADD', P .. 'ids', 0, n.id)
    local due = int(NOW + n.wait)
    redis.call('HSET', P .. 'task:' .. n.id, 'name', n.name, 'spec', n.spec, 'digest', string.sub(n.digest, 1, DIGITS), 'container', n.container,
      'need', n.need, 'wanted', 'running', 'state', state, 'attempt', '0', 'created', int(NOW), 'next', due, 'rev', '1')
    local t = { id = n.id, name = n.name, attempt = '0', created = NOW, next = due, events = '' }
    if n.pin then count('pin:' .. n.pin, 'tasks', 1) end
    happened(t, 'task.accepted', { text = n.text or '' }, { pin = n.pin, priority = n.priority,
      patience = n.patience, until_ms = n.patience and int(NOW + n.patience) })
    queue(t)
    count('counts', state, 1)
  end
end
return cjson.encode({ known = known, now = int(NOW) })

-- What happens, and that it is told: this stands between common.lua and every verb that writes.
-- Append an event to the stream and return its id. All have the same fields, which the stream then keeps once for many.
local function emit(kind, e)
  count('figures', 'event ' .. kind .. ' ' .. (e.code or ''), 1)
  return redis.call('XADD', P .. 'events', 'MAXLEN', '~', '1000000', '*', 'type', kind, 'task', e.task or '', 'name', e.name or '',
    'attempt', e.attempt or '', 'node', e.node or '', 'from', e.from or '', 'code', e.code or '', 'text', e.text or '',
    unpack(e.before and { 'before', e.before } or {}))
end

-- Tell of a task, and write fields of its record with it. Among them the record names the event, so that nobody has to
-- look for it among all: by the ms since the task's creation, and a number where that ms had others before it. `<` stands
-- for older ones: a list that has grown long goes into the event, and so with the events; a record may have named none.
local MOST = 400
local function happened(t, kind, e, fields)
  local known, fields = t.events or '<', fields or {}
  e.task, e.name, e.attempt, e.node = t.id, t.name, fields.attempt or t.attempt, fields.node or t.node
  if #known > MOST then e.before, known = known, '<' end
  local ms, n = string.match(emit(kind, e), '(%d+)-(%d+)')
  fields.events = known .. ' ' .. int(ms - t.created) .. (n == '0' and '' or '-' .. n)
  set(t, fields)
end

-- Change the observed state and tell it: the one place where both happen, so that they are one write. Where it leads is what
-- its kind says, and where a start comes from too: neither is written (ormen/events.py). `fields` are written with it.
local FROM = { ['task.placed'] = 'pending', ['task.running'] = 'scheduled' }
local function move(t, to, kind, code, text, fields)
  local from, fields = t.state, fields or {}
  count('counts', from, -1)
  count('counts', to, 1)
  redis.call('ZREM', P .. 'tasks:' .. from, t.id)
  redis.call('ZADD', P .. 'tasks:' .. to, t.created, t.id)
  fields.state, fields.rev = to, int((t.rev or 0) + 1)
  if code and code ~= '' then fields.code, fields.text = code, text else unset(t, 'code', 'text') end
  if to == 'pending' then
    queue(t, from ~= 'scheduled')
  elseif from == 'pending' then
    for _, list in ipairs({ 'pending', 'waiting', t.patience and 'deadlines' }) do redis.call('ZREM', P .. list, t.id) end
    unset(t, 'next', 'fit')
  end
  if to ~= 'pending' and to ~= 'scheduled' then unset(t, 'until_ms') end
  if to == 'scheduled' then
    redis.call('ZADD', P .. 'scheduled', NOW, t.id)
  elseif from == 'scheduled' then
    redis.call('ZREM', P .. 'scheduled', t.id)
  end
  happened(t, kind, { from = from ~= FROM[kind] and from or nil, code = code, text = text }, fields)
end

-- Keep the attempt that ends now among the last ten.
local function close(t, code, text, log)
  if not t.assigned then return end
  local past = cjson.decode(t.attempts or '[]')
  past[#past + 1] = { t.attempt, t.node, t.cid or '', t.assigned, t.started or '', int(NOW), t.exit or '', code or '', text or '', log or '[]' }
  while #past > 10 do table.remove(past, 1) end
  set(t, { attempts = cjson.encode(past), ended = int(NOW) })
  unset(t, 'assigned', 'health', 'healthy', 'paused', 'detail', 'received', 'resize', 'refused', 'restart', 'restart_code')
end

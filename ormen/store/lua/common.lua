-- Shared by every verb: scripts.py puts this text in front of each of them.
-- KEYS[1] is the prefix of all keys (keys.py has the table). ARGV[1] is the verb's arguments as JSON; numbers in it
-- are strings, since cjson would round them. Every script reads, checks, and only then writes.
local P, A = KEYS[1], cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function int(n) return string.format('%.0f', n) end
local function has(list, word) for _, w in ipairs(list) do if w == word then return true end end return false end
local function load(id)
  local flat, t = redis.call('HGETALL', P .. 'task:' .. id), { id = id }
  for i = 1, #flat, 2 do t[flat[i]] = flat[i + 1] end
  return t
end

local function set(t, fields)
  local flat = {}
  for field, value in pairs(fields) do
    t[field] = value
    flat[#flat + 1], flat[#flat + 2] = field, value
  end
  if #flat > 0 then redis.call('HSET', P .. 'task:' .. t.id, unpack(flat)) end
end

local function unset(t, ...)
  local gone = {}
  for _, field in ipairs({ ... }) do
    if t[field] then
      t[field] = nil
      gone[#gone + 1] = field
    end
  end
  if #gone > 0 then redis.call('HDEL', P .. 'task:' .. t.id, unpack(gone)) end
end

-- Add to a number of a hash. It is written as the verb ends (scripts.py), once however many tasks have added to it.
local counted = {}
local function count(key, field, n)
  counted[key] = counted[key] or {}
  counted[key][field] = (counted[key][field] or 0) + n
end
local function keep_counts()
  for key, fields in pairs(counted) do
    for field, n in pairs(fields) do
      if n ~= 0 then redis.call('HINCRBY', P .. key, field, n) end
    end
  end
end

-- Let a task wait: behind those of a higher priority and older ones of its own, from `next` on, and at most for its `patience`, where its
-- spec names one. A start that a node refused does not begin that anew; being accepted, the end of a run and a wish do.
local function queue(t, anew)
  redis.call('ZADD', P .. 'pending', t.next, t.id)
  redis.call('ZADD', P .. 'waiting', int((100 - (t.priority or 50)) * 1e13 + t.created), t.id)
  if not t.patience then return end
  if anew or not t.until_ms then set(t, { until_ms = int(t.next + t.patience) }) end
  redis.call('ZADD', P .. 'deadlines', t.until_ms, t.id)
end

local VIEW = { 'mode', 'synced', 'trouble', 'lost', 'cpu', 'memory', 'disk', 'rcpu', 'rmemory', 'rdisk', 'tasks', 'ucpu', 'umemory', 'udisk', 'load', 'engine', 'rev' }
local function view(node)
  local raw = redis.call('HGET', P .. 'nodes:view', node)
  if not raw then return nil end
  local v, i = {}, 1
  for word in string.gmatch(raw, '%S+') do
    v[VIEW[i]] = (i >= 5 and i <= 14) and tonumber(word) or word
    i = i + 1
  end
  return v
end

local function put_view(node, v)
  local words = {}
  for i, name in ipairs(VIEW) do words[i] = (i >= 5 and i <= 14) and int(v[name]) or v[name] end
  redis.call('HSET', P .. 'nodes:view', node, table.concat(words, ' '))
  redis.call('ZADD', P .. 'nodes:changes', redis.call('HINCRBY', P .. 'nodes:rev', 'last', 1), node)
end

local function amounts(need)
  local cpu, memory, disk = string.match(need, '(%d+) (%d+) (%d+)')
  return tonumber(cpu), tonumber(memory), tonumber(disk)
end

local function reserve(v, need, sign)
  local cpu, memory, disk = amounts(need)
  v.rcpu, v.rmemory, v.rdisk, v.tasks = v.rcpu + sign * cpu, v.rmemory + sign * memory, v.rdisk + sign * disk, v.tasks + sign
end

-- Who has which GPU of a node stands there as `id=task id=task`: take what a task has from it, and give it these.
local function lend(node, id, gpus)
  local words = {}
  for gpu, owner in string.gmatch(redis.call('HGET', P .. 'node:' .. node, 'gpus') or '', '(%S+)=(%S+)') do
    if owner ~= id then words[#words + 1] = gpu .. '=' .. owner end
  end
  for _, gpu in ipairs(gpus) do words[#words + 1] = gpu .. '=' .. id end
  if #words > 0 then redis.call('HSET', P .. 'node:' .. node, 'gpus', table.concat(words, ' ')) else redis.call('HDEL', P .. 'node:' .. node, 'gpus') end
end

-- Count a seat on a node, or count it no more: its group, and behind a ! whom it keeps away from there.
local function beside(node, here, sign)
  for word in string.gmatch(here, '%S+') do
    local key, field = P .. 'node:' .. node .. ':groups', word
    if string.sub(word, 1, 1) == '!' then key, field = P .. 'apart', node .. ' ' .. string.sub(word, 2) end
    if redis.call('HINCRBY', key, field, sign) <= 0 then redis.call('HDEL', key, field) end
  end
end

-- Give back what this record holds: its seat's amounts, GPUs and host ports. Called by whatever ends an attempt.
local function release(t)
  if not t.seat then return end
  if t.gpus then lend(t.seat, t.id, {}) end
  local v = view(t.seat)
  if v then
    reserve(v, t.need, -1)
    put_view(t.seat, v)
    beside(t.seat, t.here or '', -1)
    -- The node's agent may have come back on another engine; the ports are still the old one's.
    local engine = t.engine or v.engine
    local key = P .. 'engine:' .. engine .. ':ports'
    for _, p in ipairs(cjson.decode(t.ports or '[]')) do
      local field, rest = p[2] .. '/' .. p[3], {}
      for bind, owner in string.gmatch(redis.call('HGET', key, field) or '', '(%S+)=(%S+)') do
        if owner ~= t.id then rest[#rest + 1] = bind .. '=' .. owner end
      end
      if #rest > 0 then redis.call('HSET', key, field, table.concat(rest, ' ')) else redis.call('HDEL', key, field) end
    end
  end
  unset(t, 'seat', 'engine', 'here')
end

-- Put a task into a node's inbox, and ring the node if the inbox was empty: with the message that the verb was given for
-- it, {queue, text}; without one this returns 1, for a ring that is to follow. A node that is lost or forgotten gets
-- nothing, so that nothing grows for it: on its return its agent reads every record it may hold. `seen`: it is not lost.
local function knock(node, id, seen)
  local raw = seen and '' or redis.call('HGET', P .. 'nodes:view', node)
  if not raw or string.match(raw, '^%S+ %S+ %S+ (%S+)') == '1' then return 0 end
  if redis.call('RPUSH', P .. 'node:' .. node .. ':inbox', id) > 1 then return 0 end
  redis.call('HSET', P .. 'node:' .. node, 'inbox_since', int(NOW))
  local ring = A.rings and A.rings[node]
  if not ring then return 1 end
  redis.call('LPUSH', ring[1], ring[2])
  return 0
end

local function waiting() return redis.call('ZCARD', P .. 'pending') > 0 and 1 or 0 end

-- An agent wants to be this node.
-- ARGV: node, instance, engine, facts = JSON, cpu, memory, disk, aliases = names by which the deck may list it,
--       lost = age in ms from which its name is free for another engine, text.
-- Replies: JSON {code = OK, TAKEN or REFUSED, age, known}.
-- Race closed: two engines with one name; the one whose heartbeat is young keeps it. On one engine a file lock decides.
local allowed = redis.call('GET', P .. 'allowed')
if allowed then
  local listed = false
  for _, name in ipairs(A.aliases) do listed = listed or has(cjson.decode(allowed), name) end
  if not listed then return cjson.encode({ code = 'REFUSED' }) end
end
local v, beat = view(A.node), redis.call('ZSCORE', P .. 'nodes:heartbeats', A.node)
if v and v.engine ~= A.engine and v.lost == '0' and beat and NOW - beat < tonumber(A.lost) then
  return cjson.encode({ code = 'TAKEN', age = int(NOW - beat), address = cjson.decode(redis.call('HGET', P .. 'nodes:facts', A.node)).address })
end
local known, facts = v and 1 or 0, cjson.decode(A.facts)
local old = redis.call('HGET', P .. 'nodes:facts', A.node)
facts.set = old and cjson.decode(old).set or nil
v = v or { mode = 'active', rcpu = 0, rmemory = 0, rdisk = 0, tasks = 0, ucpu = 0, umemory = 0, udisk = 0, load = '0', rev = '0' }
v.synced, v.trouble, v.lost, v.engine = '0', '-', '0', A.engine
v.cpu, v.memory, v.disk, v.rev = tonumber(A.cpu), tonumber(A.memory), tonumber(A.disk), int(v.rev + 1)
put_view(A.node, v)
redis.call('HSET', P .. 'nodes:facts', A.node, cjson.encode(facts))
if redis.call('HGET', P .. 'node:' .. A.node, 'instance') ~= A.instance then redis.call('HSET', P .. 'node:' .. A.node, 'joined', int(NOW)) end
redis.call('HSET', P .. 'node:' .. A.node, 'instance', A.instance)
redis.call('HDEL', P .. 'node:' .. A.node, 'trouble', 'trouble_since', 'awaited')
redis.call('HDEL', P .. 'nodes:shown', A.node)
redis.call('ZADD', P .. 'nodes:heartbeats', NOW, A.node)
redis.call('ZREM', P .. 'nodes:lost', A.node)
emit('node.joined', { node = A.node, text = A.text })
return cjson.encode({ code = 'OK', known = known })

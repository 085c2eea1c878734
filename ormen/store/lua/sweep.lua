-- Keys of nodes and of engines that are not there any more, at most 100 of each, are deleted.
-- ARGV: nodes, engines. Replies: the number of keys that went.
-- Race closed: a node that has joined since it was missed keeps its keys, and its engine the ports.
local used, gone = {}, 0
for _, raw in ipairs(redis.call('HVALS', P .. 'nodes:view')) do used[string.match(raw, '^.* (%S+) %S+$')] = true end
for _, node in ipairs(A.nodes) do
  local key = P .. 'node:' .. node
  if redis.call('HEXISTS', P .. 'nodes:view', node) == 0 then gone = gone + redis.call('DEL', key, key .. ':tasks', key .. ':inbox', key .. ':probes', key .. ':groups') end
end
-- A record that has its seat still counts on the ports it took, should the engine come back.
local function held(engine)
  for _, binds in ipairs(redis.call('HVALS', P .. 'engine:' .. engine .. ':ports')) do
    for owner in string.gmatch(binds, '=(%S+)') do
      if redis.call('HGET', P .. 'task:' .. owner, 'engine') == engine then return true end
    end
  end
end
for _, engine in ipairs(A.engines) do
  if not used[engine] and not held(engine) then gone = gone + redis.call('DEL', P .. 'engine:' .. engine .. ':ports') end
end
return gone

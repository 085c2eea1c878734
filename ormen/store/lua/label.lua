-- Set or clear labels of a node, over those its agent was started with.
-- ARGV: node, set = label -> value, clear = labels. Replies: 0 when there is no such node, else 1.
local v = view(A.node)
if not v then return 0 end
local facts = cjson.decode(redis.call('HGET', P .. 'nodes:facts', A.node))
local mine = facts.set or {}
for label, value in pairs(A.set) do mine[label] = value end
for _, label in ipairs(A.clear) do mine[label] = '' end
facts.set = mine
redis.call('HSET', P .. 'nodes:facts', A.node, cjson.encode(facts))
v.rev = int(v.rev + 1)
put_view(A.node, v)
return 1

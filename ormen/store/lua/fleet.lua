-- What has changed of the fleet since the caller looked last, who is not heard, and who was told to be in what state.
-- ARGV: cluster, since = the cluster and the last change the caller knows, -1 for none; quiet = silence in ms from which
--       a node is named.
-- Replies: {cluster, last change, time, since when nodes are watched, brake on, its bar, 1 if every node follows,
--       names of the silent, node and state of those told, who keeps whom away from where, and then for each node that changed
--       {name, view, facts, host ports and who holds them}}.
-- A node that was forgotten stands nowhere: whoever has not looked since then is given every node.
local at = redis.call('HMGET', P .. 'nodes:rev', 'last', 'whole')
local last, since = tonumber(at[1] or 0), tonumber(A.since)
local cluster = redis.call('GET', P .. 'cluster') or ''
local whole = since < tonumber(at[2] or 0) or since > last or cluster ~= A.cluster
local names
if whole then
  names = redis.call('HKEYS', P .. 'nodes:view')
else
  names = redis.call('ZRANGEBYSCORE', P .. 'nodes:changes', '(' .. int(since), '+inf')
end
local brake = redis.call('HMGET', P .. 'brake', 'on', 'bar')
local silent = redis.call('ZRANGEBYSCORE', P .. 'nodes:heartbeats', '-inf', '(' .. int(NOW - A.quiet))
local reply = { cluster, int(last), int(NOW), redis.call('HGET', P .. 'loops', 'since') or '0', brake[1] or '', brake[2] or '0',
  whole and 1 or 0, silent, redis.call('HGETALL', P .. 'nodes:shown'), redis.call('HGETALL', P .. 'apart') }
for _, node in ipairs(names) do
  local raw = redis.call('HGET', P .. 'nodes:view', node)
  -- Anchored: else Lua tries the pattern at each place of the line, and all nodes take three times as long.
  local engine = string.match(raw, '^.* (%S+) %S+$')
  local ports = redis.call('HGETALL', P .. 'engine:' .. engine .. ':ports')
  reply[#reply + 1] = { node, raw, redis.call('HGET', P .. 'nodes:facts', node), ports }
end
return reply

-- An agent empties its inbox, at most 100 entries a call, and gets the records with their specs in the same breath.
-- ARGV: node, instance. Replies: list of {id, record as flat list or nothing, spec JSON, pin}; a request's id begins with '?'.
-- An instance that another has replaced gets nothing, so that no order is swallowed by the wrong process.
if redis.call('HGET', P .. 'node:' .. A.node, 'instance') ~= A.instance then return {} end
local inbox, out, seen = P .. 'node:' .. A.node .. ':inbox', {}, {}
for _, id in ipairs(redis.call('LPOP', inbox, 100) or {}) do
  if not seen[id] then
    seen[id] = true
    if string.sub(id, 1, 1) == '?' then
      out[#out + 1] = { id, redis.call('HGETALL', P .. 'request:' .. string.sub(id, 2)), '', '' }
    else
      out[#out + 1] = { id, unpack(whole(id)) }
    end
  end
end
if redis.call('LLEN', inbox) > 0 then redis.call('HSET', P .. 'node:' .. A.node, 'inbox_since', int(NOW)) end
return out

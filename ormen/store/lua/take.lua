-- An agent empties its inbox, at most 100 entries a call, and gets the records with their specs in the same breath. An
-- attempt that it is to start is thereby received, which is told once.
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
      local t = load(id)
      if t.state == 'scheduled' and t.wanted == 'running' and t.node == A.node and not t.received then
        redis.call('ZADD', P .. 'scheduled', NOW, id)
        happened(t, 'task.received', { text = 'by ' .. A.node }, { received = '1', rev = int(t.rev + 1) })
      end
      local record = {}
      for field, value in pairs(t) do if field ~= 'id' then record[#record + 1], record[#record + 2] = field, value end end
      out[#out + 1] = { id, unpack(whole(id, record)) }
    end
  end
end
if redis.call('LLEN', inbox) > 0 then redis.call('HSET', P .. 'node:' .. A.node, 'inbox_since', int(NOW)) end
return out

-- Ended tasks that nobody wants to be kept any longer are removed, at most 100.
-- ARGV: ids; before = ms, the latest end that goes; text.
-- Replies: JSON {removed = ids, ring = nodes to ring}.
-- Race closed: a task that was started again since it was chosen, or has ended anew, is left alone.
local removed, ring, rung = {}, {}, {}
for _, id in ipairs(A.ids) do
  local at = redis.call('ZSCORE', P .. 'ended', id)
  local t = at and load(id)
  if at and not t.state then
    redis.call('ZREM', P .. 'ended', id)
  elseif at and tonumber(at) <= tonumber(A.before) then
    for _, node in ipairs(bury(t, A.text)) do
      if not rung[node] then ring[#ring + 1] = node end
      rung[node] = true
    end
    removed[#removed + 1] = id
  end
end
return cjson.encode({ removed = removed, ring = ring })

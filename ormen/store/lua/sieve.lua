-- Walk through the tasks of some states, newest first, and choose those that may belong into a list. Nothing is written.
-- ARGV: states; created, id = the place after which to begin, or absent; count = how many are looked at, at most 250;
--       node, or absent; texts = what the spec's JSON must contain.
-- Replies: the ids that pass, in order; last of all the place of the last that was looked at, `created:id`, or '' at the end.
-- The reader judges their records: two fields of each are looked at here, so that the others need not be read.
local lists = {}
local function fill(list)
  list.rows, list.at = redis.call('ZREVRANGE', list.key, list.from, list.from + 49, 'WITHSCORES'), 1
  list.from = list.from + 50
  list.created = tonumber(list.rows[2])
end
for i, state in ipairs(A.states) do
  local list = { key = P .. 'tasks:' .. state, from = 0 }
  if A.id then
    list.from = redis.call('ZCOUNT', list.key, '(' .. A.created, '+inf')
    -- Tasks of one moment stand by their ids.
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', list.key, A.created, A.created)) do
      if id >= A.id then list.from = list.from + 1 end
    end
  end
  fill(list)
  lists[i] = list
end

local function newest()
  local best
  for _, list in ipairs(lists) do
    if list.created and (not best or list.created > best.created
        or (list.created == best.created and list.rows[list.at] > best.rows[best.at])) then best = list end
  end
  if not best then return nil end
  local id, created = best.rows[best.at], best.created
  best.at = best.at + 2
  best.created = tonumber(best.rows[best.at + 1])
  if not best.created then fill(best) end
  return id, created
end

local function passes(id)
  if A.node and redis.call('HGET', P .. 'task:' .. id, 'node') ~= A.node then return false end
  if #A.texts == 0 then return true end
  local spec = redis.call('HGET', P .. 'spec:' .. (redis.call('HGET', P .. 'task:' .. id, 'spec') or ''), 'json') or ''
  for _, text in ipairs(A.texts) do if not string.find(spec, text, 1, true) then return false end end
  return true
end

local out, place = {}, ''
for _ = 1, tonumber(A.count) do
  local id, created = newest()
  place = id and int(created) .. ':' .. id or ''
  if not id then break end
  if passes(id) then out[#out + 1] = id end
end
out[#out + 1] = place
return out

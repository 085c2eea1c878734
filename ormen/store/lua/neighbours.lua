-- Who else is on a node: what tasks ask of each other. This stands between common.lua and assign.lua.
local function present(node, name)
  if redis.call('HEXISTS', P .. 'node:' .. node .. ':groups', name) == 1 then return true end
  local id = redis.call('HGET', P .. 'names', name)
  return id and redis.call('HGET', P .. 'task:' .. id, 'seat') == node
end

-- Return which rule keeps a task off the node, nil if none does. Its own seat there counts for none.
local function forbidden(a, t)
  local own = t.seat == a.node and string.match(t.here or '', '^%S+') == a.group and 1 or 0
  local there = a.most and tonumber(redis.call('HGET', P .. 'node:' .. a.node .. ':groups', a.group) or 0) - own
  if a.most and there >= tonumber(a.most) then return 'MAX_PER_NODE' end
  if a.near and not present(a.node, a.near) then return 'NEAR' end
  if a.far and present(a.node, a.far) then return 'FAR' end
  local away = redis.call('HMGET', P .. 'apart', a.node .. ' ' .. a.group, a.node .. ' ' .. t.name)
  if away[1] or away[2] then return 'FAR' end
end

-- Note in the indexes who is here now, until `release`; return what the record says of it.
local function settle(a)
  local here = a.group and a.group .. (a.far and ' !' .. a.far or '')
  if here then beside(a.node, here, 1) end
  return here
end

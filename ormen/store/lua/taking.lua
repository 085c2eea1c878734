-- What a placement takes of a node beside amounts: host ports of its engine, and GPUs.
local function wild(bind) return bind == '0.0.0.0' or bind == '::' end

local function clash(engine, ports, id)
  local key = P .. 'engine:' .. engine .. ':ports'
  for _, p in ipairs(ports) do
    local field = p[2] .. '/' .. p[3]
    for bind, owner in string.gmatch(redis.call('HGET', key, field) or '', '(%S+)=(%S+)') do
      if owner ~= id and (wild(bind) or wild(p[4]) or bind == p[4]) then return field end
    end
  end
end

local function hold(engine, ports, id)
  local key = P .. 'engine:' .. engine .. ':ports'
  for _, p in ipairs(ports) do
    local field = p[2] .. '/' .. p[3]
    local held = redis.call('HGET', key, field)
    redis.call('HSET', key, field, (held and held .. ' ' or '') .. p[4] .. '=' .. id)
  end
end

-- Return the first of these GPUs that a node has not, or that another task has.
local function withheld(node, id, gpus)
  if #gpus == 0 then return nil end
  local has, owners = cjson.decode(redis.call('HGET', P .. 'nodes:facts', node)).facts.gpus or {}, {}
  for gpu, owner in string.gmatch(redis.call('HGET', P .. 'node:' .. node, 'gpus') or '', '(%S+)=(%S+)') do owners[gpu] = owner end
  for _, gpu in ipairs(gpus) do
    local there = false
    for _, own in ipairs(has) do there = there or own == gpu end
    if not there or (owners[gpu] and owners[gpu] ~= id) then return gpu end
  end
end


-- A task's record with what it shares with others: {record as flat list, empty without one, spec JSON or '', pinned image or ''}.
local shared = {}
local function part(record, name, field)
  for i = 1, #record, 2 do
    if record[i] == name then
      local key = name .. ':' .. record[i + 1]
      if not shared[key] then shared[key] = redis.call('HGET', P .. key, field) or '' end
      return shared[key]
    end
  end
  return ''
end
local function whole(id, record)
  record = record or redis.call('HGETALL', P .. 'task:' .. id)
  return { record, part(record, 'spec', 'json'), part(record, 'pin', 'image') }
end

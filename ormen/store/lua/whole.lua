-- A task's record with what it shares with others: {record as flat list, empty without one, spec JSON or '', pinned image or ''}.
local function whole(id)
  local record = redis.call('HGETALL', P .. 'task:' .. id)
  local shared = redis.call('HMGET', P .. 'task:' .. id, 'spec', 'pin')
  local spec = shared[1] and redis.call('HGET', P .. 'spec:' .. shared[1], 'json')
  local pin = shared[2] and redis.call('HGET', P .. 'pin:' .. shared[2], 'image')
  return { record, spec or '', pin or '' }
end

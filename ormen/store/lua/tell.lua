-- Tell a talk something: frames for its agent, numbered, so that a request that comes twice is told once.
-- ARGV: talk, seq = number of the first frame, frames = list of {kind, data}, bytes = their size, most = bytes that may be
--       unread, ttl, reader (s). Replies: JSON {code = OK | FULL | GAP | OVER | GONE, next = number of the frame that is due}.
local key = P .. 'talk:' .. A.talk
local k = redis.call('HMGET', key, 'state', 'seq', 'unread')
if not k[1] then return '{"code":"GONE","next":0}' end
local due, seq = tonumber(k[2]), tonumber(A.seq)
local function reply(code) return cjson.encode({ code = code, next = due }) end
if k[1] == 'over' or k[1] == 'withdrawn' then return reply('OVER') end
redis.call('SET', key .. ':reader', '1', 'EX', A.reader)
if seq > due then return reply('GAP') end
if seq + #A.frames <= due then return reply('OK') end
local unread = tonumber(k[3])
if unread > 0 and unread + A.bytes > tonumber(A.most) then return reply('FULL') end
for i, frame in ipairs(A.frames) do
  if seq + i > due then redis.call('XADD', key .. ':in', '*', 'kind', frame[1], 'data', frame[2]) end
end
due = seq + #A.frames
redis.call('HSET', key, 'seq', int(due))
redis.call('HINCRBY', key, 'unread', A.bytes)
redis.call('EXPIRE', key, A.ttl)
redis.call('EXPIRE', key .. ':in', A.ttl)
return reply('OK')

-- An agent says which image its attempt has found under the submission's tag; the first word holds for all its tasks with it.
-- ARGV: id, node, attempt (the fence); pin = digest and image id, or '' where the image has no digest: then only look.
-- Replies: the pin that holds, '-' for none; 0 for late news, or where the tag is not to be settled.
-- Race closed: two nodes that find different images.
local t = load(A.id)
if t.wanted ~= 'running' or not t.pin or t.node ~= A.node or t.attempt ~= A.attempt or t.state ~= 'scheduled' then return 0 end
local pin = P .. 'pin:' .. t.pin
if A.pin ~= '' then redis.call('HSETNX', pin, 'image', A.pin) end
return redis.call('HGET', pin, 'image') or '-'

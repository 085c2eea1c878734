-- An agent says which image its attempt has found under the submission's tag; the first word holds for all its tasks.
-- ARGV: id, node, attempt (the fence); pin = digest and image id, or '' where the image has no digest: then only look.
-- Replies: the pin that holds, '-' for none; 0 for late news. Race closed: two nodes that find different images.
local t = load(A.id)
if t.wanted ~= 'running' or t.node ~= A.node or t.attempt ~= A.attempt or t.state ~= 'scheduled' then return 0 end
local spec = P .. 'spec:' .. t.spec
if A.pin ~= '' then redis.call('HSETNX', spec, 'pin', A.pin) end
return redis.call('HGET', spec, 'pin') or '-'

-- A user wants a task's record gone.
-- ARGV: id, force, text. Replies: JSON {state ('' when there is none), refused, node, room, ring = nodes to ring}.
local t = load(A.id)
if not t.state or t.wanted == 'removed' then return cjson.encode({ state = '' }) end
local live = t.state == 'scheduled' or t.state == 'running'
if live and A.force ~= '1' then return cjson.encode({ state = t.state, refused = 1, node = t.node or '' }) end
local nodes = bury(t, A.text)
return '{"state":"' .. t.state .. '","room":' .. waiting() .. ',"ring":' .. (#nodes > 0 and cjson.encode(nodes) or '[]') .. '}'

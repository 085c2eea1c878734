-- What an agent adds to an attempt without changing its state: an event, a detail, health, the container's id.
-- ARGV: id, node, attempt (the fence); rev = the record's revision as the agent read it, or absent where news of any is
--       told; event, text and code, or none; set = fields to write (`paused` gets the time), unset = fields to clear;
--       resize = the change of its limits that is told, or absent.
-- Replies: 1, or 0 for late news.
local t = load(A.id)
if not t.state or t.wanted == 'removed' or t.node ~= A.node or t.attempt ~= A.attempt or not (t.state == 'scheduled' or t.state == 'running') then return 0 end
if A.rev and t.rev ~= A.rev then return 0 end
if A.resize and t.resize ~= A.resize then return 0 end
if A.resize then unset(t, 'resize') end
if A.set.health == 'healthy' and not t.healthy then A.set.healthy = int(NOW) end
if A.set.paused then A.set.paused = int(NOW) end
set(t, A.set)
set(t, { rev = int((t.rev or 0) + 1) })
if t.state == 'scheduled' then redis.call('ZADD', P .. 'scheduled', NOW, t.id) end
if #A.unset > 0 then unset(t, unpack(A.unset)) end
if A.event then happened(t, A.event, { code = A.code or '', text = A.text or '' }) end
return 1

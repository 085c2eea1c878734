-- A container of this task runs on its node under another attempt's number: take it over.
-- ARGV: id, node; attempt = the record's, as the agent read it; label = the container's; cid, text.
-- Replies: 1, or 0 when the record is not that attempt any more.
-- Race closed: Redis came back with an older file; numbers never go down, so the label lifts the record.
local t = load(A.id)
if not t.state or t.wanted == 'removed' or t.node ~= A.node or t.attempt ~= A.attempt or not (t.state == 'scheduled' or t.state == 'running') then return 0 end
local number = math.max(tonumber(A.label), tonumber(A.attempt))
set(t, { attempt = int(number), cid = A.cid, rev = int((t.rev or 0) + 1) })
happened(t, 'task.adopted', { text = A.text })
return 1

-- A task was looked at and fits nowhere: say why and when it is looked at again.
-- ARGV: id, attempt = the record's as it was looked at; code, text, fit = later or never, wait = ms.
-- Replies: 1 when the reason is new, which is told as an event.
-- Race closed: a look that was held up while the task ran and ended again changes neither its reason nor its back-off.
local t = load(A.id)
if t.state ~= 'pending' or t.wanted ~= 'running' then return 0 end
if t.attempt ~= A.attempt then return 0 end
local new = t.code ~= A.code
set(t, { code = A.code, text = A.text, fit = A.fit, next = int(NOW + A.wait), rev = int((t.rev or 0) + 1) })
queue(t)
if new then happened(t, 'task.waiting', { code = A.code, text = A.text }) end
return new and 1 or 0

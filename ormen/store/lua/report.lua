-- An agent's news of one attempt: one transition with its event.
-- ARGV: id, node, attempt (the fence); sources = states it may come from; to; code, text; stopped = text if a stop
--       was wanted; log = JSON list of last lines; set = fields to write; event; release = '1' once the container is gone or exited; spends = '1'; delay = ms until
--       the next try; delays = back-offs in a row; avoid = ms to prefer another node; started = ms, '' or absent: the
--       container had started before the start was reported, so both transitions are made here.
-- Replies: JSON {accepted, ring}: ring when somebody waits and room was freed or a try is due.
-- Race closed: late news of an older attempt or of another node changes nothing.
local t = load(A.id)
if not t.state or t.wanted == 'removed' or t.node ~= A.node or t.attempt ~= A.attempt then return cjson.encode({ accepted = 0, ring = 0 }) end
if A.started and t.state == 'scheduled' and A.to ~= 'running' then
  set(t, { started = int(NOW) })
  move(t, 'running', 'task.running', nil, A.started)
end
if not has(A.sources, t.state) then return cjson.encode({ accepted = 0, ring = 0 }) end
local to, code, text = A.to, A.code, A.text
-- Whoever waits for a next attempt has no container that runs: a stop asked for meanwhile is done by that.
if to == 'pending' and t.wanted == 'stopped' then to, code, text, A.release = 'completed', 'STOPPED', A.stopped, '1' end
set(t, A.set)
if to == 'running' then
  set(t, { started = int(NOW) })
  unset(t, 'detail', 'avoid')
else
  close(t, code, text, A.log)
  if A.spends == '1' then set(t, { tries = int((t.tries or 0) + 1) }) end
  if A.delays then set(t, { delays = A.delays }) end
  if A.release == '1' then release(t) end
end
if to == 'pending' then
  set(t, { next = int(NOW + tonumber(A.delay or '0')) })
  if A.avoid then
    local avoid = cjson.decode(t.avoid or '{}')
    avoid[A.node] = int(NOW + tonumber(A.avoid))
    set(t, { avoid = cjson.encode(avoid) })
  end
elseif to ~= 'running' then
  retire(t)
end
move(t, to, 'task.' .. to, code, text)
return cjson.encode({ accepted = 1, ring = to ~= 'running' and waiting() or 0 })

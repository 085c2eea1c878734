-- An agent's news of one attempt: one transition with its event.
-- ARGV: id, node, attempt (the fence); sources = states it may come from; to; code, text; stopped = text if a stop
--       is wanted by now; again = text if a restart is; log = JSON list of last lines; set = fields to write;
--       release = '1' to give the seat back; spends = '1'; delay = ms until the next try; delays = back-offs in a row;
--       avoid = ms to prefer another node; started = text, or absent: the container had started before the start was
--       reported, so both transitions are made here.
-- Replies: JSON {accepted, ring, record}: ring when somebody waits and room was freed or a try is due; the record as it
--       is then, or nothing if there is none.
-- Races closed: late news of an older attempt or of another node changes nothing; and what a user has asked since the
-- agent read the record is heeded: a stop ends what would be tried again, a restart begins anew what has ended.
local function started(t)
  -- How long the start took, for /metrics: the least k for which 2^k ms are enough, and the sum (figures.py).
  local took, k = math.max(0, NOW - (t.assigned or NOW)), 0
  while 2 ^ k < took do k = k + 1 end
  count('figures', 'start ' .. int(k), 1)
  count('figures', 'start sum', took)
  return int(NOW)
end

local t = load(A.id)
local function reply(accepted, ring) return cjson.encode({ accepted = accepted, ring = ring, record = t.state and t or nil }) end
if not t.state or t.wanted == 'removed' or t.node ~= A.node or t.attempt ~= A.attempt then return reply(0, 0) end
if A.started and t.state == 'scheduled' and A.to ~= 'running' then
  move(t, 'running', 'task.running', nil, A.started, { started = started(t) })
end
if not has(A.sources, t.state) then return reply(0, 0) end
local to, code, text, frees = A.to, A.code, A.text, A.release == '1'
if to == 'pending' and t.wanted == 'stopped' then
  to, code, text, frees = 'completed', 'STOPPED', A.stopped, true
elseif (to == 'completed' or to == 'failed') and t.wanted == 'running' and t.restart == t.attempt and t.restart_code == 'RESTARTED' then
  to, code, text = 'pending', 'RESTARTED', A.again
end
if A.set.ports == '[]' and not t.ports then A.set.ports = nil end
if to == 'running' then
  A.set.started = started(t)
  unset(t, 'detail', 'received', 'avoid')
else
  set(t, A.set)
  A.set = nil
  close(t, code, text, A.log)
  if A.spends == '1' then set(t, { tries = int((t.tries or 0) + 1) }) end
  if A.delays then set(t, { delays = A.delays }) end
  if frees then release(t) end
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
move(t, to, 'task.' .. to, code, text, A.set)
return reply(1, to ~= 'running' and waiting() or 0)

-- The brake for mass loss: scripts.py puts this text between common.lua and the verb `lose`.
-- It holds when at least three nodes, and more than half of those that were there 30 s ago, are gone: lost, or silent for
-- so long that they are suspect. So whoever judges the first node of a mass loss has already counted the others.
-- Not counted is a node that left (heartbeat 0), that was silent at the last release (heartbeat up to `bar`), or that was
-- expected to go (in nodes:lost at 0). Once it holds, "30 s ago" stands still. When it is no longer so, those that are on
-- their way back get `lost` ms more before the brake lets go. Who is removed meanwhile has not returned: it still counts.
local BRAKE, LOSSES, BEATS = P .. 'brake', P .. 'nodes:lost', P .. 'nodes:heartbeats'
local function bar()
  local at = tonumber(redis.call('HGET', BRAKE, 'bar') or 0)
  return at <= NOW and at or 0
end

-- ms: lost, suspect; texts with two %d, how many are gone of how many: on, off.
local function braked(a)
  local on, of, ease, removed = unpack(redis.call('HMGET', BRAKE, 'on', 'of', 'ease', 'removed'))
  local low = '(' .. int(bar())
  local old = redis.call('ZCOUNT', LOSSES, '-inf', '(' .. int((on or NOW) - 30000)) - (removed or 0)
  local gone = redis.call('ZCOUNT', BEATS, low, int(NOW - a.suspect)) - old
  local known = redis.call('ZCOUNT', BEATS, low, '+inf') - old
  known = math.min(known, of or known)
  if gone >= 3 and 2 * gone > known then
    redis.call('HDEL', BRAKE, 'ease')
    if not on then
      redis.call('HSET', BRAKE, 'on', int(NOW), 'of', known)
      emit('brake.on', { code = 'BRAKE', text = string.format(a.on, gone, known) })
    end
    return true
  end
  if not on then return false end
  ease = math.min(ease or NOW, NOW)
  redis.call('HSET', BRAKE, 'ease', int(ease))
  if NOW - ease <= tonumber(a.lost) then return true end
  redis.call('HDEL', BRAKE, 'on', 'of', 'ease', 'removed')
  emit('brake.off', { text = string.format(a.off, gone, known) })
  return false
end

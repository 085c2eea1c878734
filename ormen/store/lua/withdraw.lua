-- Take a talk back that no agent has claimed: from then on none can. With `gone` nobody reads it any more, claimed or not.
-- ARGV: talk, gone. Replies: 1 if it is withdrawn, 0 if an agent had claimed it before.
-- Closes: the agent claims it at the very moment in which the user is told that nothing ran.
local key = P .. 'talk:' .. A.talk
local state = redis.call('HGET', key, 'state')
if state and A.gone == '1' then
  redis.call('DEL', key .. ':reader')
  redis.call('HSET', key, 'gone', '1')
end
if state ~= 'asked' then return 0 end
redis.call('HSET', key, 'state', 'withdrawn')
return 1

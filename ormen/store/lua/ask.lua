-- Ask a node's agent something: a request that it finds in its inbox.
-- ARGV: request = its id; node; kind; task = an id or ''; options = JSON; ttl and reader = seconds.
-- Replies: 1, or 0 for a node that is lost or forgotten: nobody is asked, and nothing is written.
-- Race closed: the node goes while somebody decides to ask it; a request in its inbox would be there for ever.
local v = view(A.node)
if not v or v.lost == '1' then return 0 end
local key = P .. 'request:' .. A.request
redis.call('HSET', key, 'kind', A.kind, 'task', A.task, 'options', A.options)
redis.call('EXPIRE', key, A.ttl)
redis.call('SET', P .. 'reader:' .. A.request, '1', 'EX', A.reader)
knock(A.node, '?' .. A.request)
return 1

-- Tasks as they are now, a few of them: all of it is one look, and one round trip.
-- ARGV: ids. Replies: for each {record as flat list, spec JSON or '', pinned image or ''}.
for i, id in ipairs(A.ids) do A.ids[i] = whole(id) end
return A.ids

#!lua flags=allow-oom
-- Reads the end of a channel's log, and writes nothing. Without the flag `no-writes` a replica refuses it: a demoted
-- master does not know the log's end.
--
-- KEYS[1]  the channel's record (append.lua)
-- ARGV     reign of the master | shared beginning of the names of its epochs
-- Replies  epoch, offset of the last publication. Before a new epoch's first publication, `epoch` is only the
--          beginning of its name.
local record = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'offset')
local offset = tonumber(record[3])
if not record[1] or not record[2] or not offset then
  return {ARGV[2], 0}
end
if record[1] ~= ARGV[1] then
  return {ARGV[2], offset}
end
return {record[2], offset}

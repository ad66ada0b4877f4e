#!lua flags=allow-oom
-- Reads where a channel's log ends, and writes nothing. It has no flag `no-writes`, so that a replica refuses it: a
-- master that was demoted does not know where the log ends.
--
-- KEYS[1]  the channel's record (append.lua)
-- ARGV     reign of the master | how the names begin of the epochs that it opens
-- Replies  epoch, offset of the last publication. Where the next publication will open an epoch only the beginning of
-- its name is known.
local record = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'offset')
local offset = tonumber(record[3])
if not record[1] or not record[2] or not offset then
  return {ARGV[2], 0}
end
if record[1] ~= ARGV[1] then
  return {ARGV[2], offset}
end
return {record[2], offset}

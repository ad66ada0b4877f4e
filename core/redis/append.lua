-- Appends one batch to a channel's log, or with no publications only reads where the log ends.
--
-- KEYS[1]  the channel's record: a hash of run, epoch, offset, and after a change of epoch before and beforeOffset
-- ARGV     run id of the master | epoch to open if one is needed | seconds that the record outlives its last use
--          | … while it holds no publication | publications | bus channel | envelope version | envelope body
-- Replies  epoch, offset of the last publication
--
-- A record written under another master may lack that master's last appends: it was promoted without them, or restarted from
-- an older snapshot. Their offsets would be given a second time, so this master gives its own in an epoch of its own.
local record = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'offset')
local epoch = record[2]
local offset = tonumber(record[3])
local count = tonumber(ARGV[5])

if not record[1] or not epoch or not offset then
  -- Redis asks for memory (maxmemory) only with the first write of a script: no DEL before the HSET where there is nothing to delete.
  if record[1] or epoch or record[3] then
    redis.call('DEL', KEYS[1])
  end
  epoch = ARGV[2]
  offset = 0
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'epoch', epoch, 'offset', 0)
elseif record[1] ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'epoch', ARGV[2], 'before', epoch, 'beforeOffset', record[3])
  epoch = ARGV[2]
end

if count > 0 then
  local header = struct.pack('>BBc0I8', tonumber(ARGV[7]), #epoch, epoch, offset + 1)
  offset = redis.call('HINCRBY', KEYS[1], 'offset', count)
  redis.call('SPUBLISH', ARGV[6], header .. ARGV[8])
end

redis.call('EXPIRE', KEYS[1], offset > 0 and ARGV[3] or ARGV[4])
return {epoch, offset}

-- Appends one batch to a channel's log.
--
-- KEYS[1]  the channel's record: a hash of run, epoch, offset, life (its first epoch), and after a change of epoch
--          before and beforeOffset
-- KEYS[2]  the channel's history, where its policy keeps one: a stream with an entry for each batch, whose id is the
--          batch's last offset; fields: b the envelope, l the life of the record that gave its offsets
-- ARGV     reign of the master | epoch to open if one is needed
--          | seconds that the record outlives its last publication
--          | publications | bus channel | envelope version | envelope body
--          | with a history: publications to keep | seconds to keep them
-- Replies  epoch, offset of the last publication
--
-- A record from another reign may lack that reign's last appends: this master was promoted without them, or restarted
-- from an older snapshot. In the same epoch their offsets could be given twice, so this reign opens an epoch of its own.
local record = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'offset')
local epoch = record[2]
local offset = tonumber(record[3])

if not record[1] or not epoch or not offset then
  -- Redis checks maxmemory only at a script's first write. A needless DEL before the HSET would evade that check.
  if record[1] or epoch or record[3] then
    redis.call('DEL', KEYS[1])
  end
  epoch = ARGV[2]
  offset = 0
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'epoch', epoch, 'offset', 0, 'life', epoch)
elseif record[1] ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'epoch', ARGV[2], 'before', epoch, 'beforeOffset', record[3])
  epoch = ARGV[2]
end

local header = struct.pack('>BBc0I8', tonumber(ARGV[6]), #epoch, epoch, offset + 1)
offset = redis.call('HINCRBY', KEYS[1], 'offset', tonumber(ARGV[4]))
local envelope = header .. ARGV[7]
if KEYS[2] then
  -- Entries go whole, and only with their last publication: at least as many are kept as asked for.
  local life = redis.call('HGET', KEYS[1], 'life') or ''
  local least = string.format('%.0f-0', math.max(0, offset - ARGV[8] + 1))
  local id = string.format('%.0f-0', offset)
  local added = redis.pcall('XADD', KEYS[2], 'MINID', '=', least, id, 'b', envelope, 'l', life)
  if type(added) == 'table' and added.err then
    -- A lost record has left entries with higher offsets: they are of no use to anybody.
    redis.call('DEL', KEYS[2])
    redis.call('XADD', KEYS[2], id, 'b', envelope, 'l', life)
  end
  redis.call('EXPIRE', KEYS[2], ARGV[9])
end
redis.call('SPUBLISH', ARGV[5], envelope)
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {epoch, offset}

-- Appends one batch to a channel's log.
--
-- KEYS[1]  the channel's record: a hash of run, epoch, offset, life (its first epoch), after a change of epoch
--          before and beforeOffset, with idempotency keys turn and turnAt (ms), and after a tombstone that the history
--          keeps recalled (its offset) and maybe cleared (everything up to this offset was recalled)
-- KEYS[2]  the channel's history, where its policy keeps one: a stream with an entry for each batch, whose id is the
--          batch's last offset; fields: b the envelope, l the life of the record that gave its offsets, and where a
--          publication names one u its users: for each publication length u8, user
-- KEYS[3…] where a publication has an idempotency key: hashes of remembered keys, which take turns. A field is a key's
--          id, its value what was published with it (8 bytes), its offset (u64) and its epoch
-- ARGV     reign of the master | epoch to open if one is needed
--          | seconds that the record outlives its last publication
--          | publications | bus channel | envelope version | envelope body
--          | with a history: publications to keep | seconds to keep them; where only KEYS[3…] are used: 0 | 0
--          | with KEYS[3…]: milliseconds of a turn | most remembered keys | 27 bytes for each publication:
--          flags u8 (1 last of its append, 2 has a key), length in the body u32, id of the key, its content
--          | users of the publications as in u, or nothing
--          | of a tombstone, which is alone: all or the offsets that it recalls | key of the recalled offsets, a sorted
--          set. That key is not declared: while a slot moves, a declared key that does not exist fails a script
-- Replies  epoch, offset of the last publication
--          | with KEYS[3…]: publications appended
--          | for each append 0 appended, 1 a key was used with another content, 2 too many keys are remembered
--          | for each publication the remembered value of its key, or nothing
--
-- A record from another reign may lack that reign's last appends: this master was promoted without them, or restarted
-- from an older snapshot. In the same epoch their offsets could be given twice, so this reign opens an epoch of its own.
local count = tonumber(ARGV[4])
local body = ARGV[7]
-- Without keys these stay empty: such a batch must cost nothing for them.
local verdicts, known, fresh, now
local users = ARGV[13] or ''
local recall = ARGV[14] or ''

if recall ~= '' then
  -- Fails before anything is written, if that key is elsewhere.
  redis.call('ZRANGEBYSCORE', ARGV[15], 0, 0)
end

if KEYS[3] then
  verdicts, known, fresh = {}, {}, {}
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
  local parts = {}
  local ids = {}
  local at = 1
  local from = 3
  local users_at = 1
  while at <= #ARGV[12] do
    local flags, length, id, content
    flags, length, id, content, at = struct.unpack('>BI4c14c8', ARGV[12], at)
    parts[#parts + 1] = {from = from, to = from + length - 1, is_last = flags % 2 == 1, content = content}
    known[#parts] = ''
    from = from + length
    if users ~= '' then
      local users_next = users_at + 1 + string.byte(users, users_at)
      parts[#parts].user = string.sub(users, users_at, users_next - 1)
      users_at = users_next
    end
    if flags >= 2 then
      parts[#parts].id = id
      ids[#ids + 1] = id
    end
  end
  local room = tonumber(ARGV[11])
  local values = {}
  for index = 3, #KEYS do
    room = room - redis.call('HLEN', KEYS[index])
    for place, value in ipairs(redis.call('HMGET', KEYS[index], unpack(ids))) do
      if value then
        values[ids[place]] = value
      end
    end
  end
  -- An append is taken as a whole, or not at all.
  local taken = {}
  local taken_users = {}
  local first = 1
  for index, part in ipairs(parts) do
    if part.is_last then
      local verdict = 0
      local new_keys = 0
      for each = first, index do
        local value = values[parts[each].id]
        if value then
          known[each] = value
          if string.sub(value, 1, 8) ~= parts[each].content then
            verdict = 1
          end
        elseif parts[each].id then
          new_keys = new_keys + 1
        end
      end
      -- There may be more keys than this bound: other appends may have a higher one.
      if verdict == 0 and new_keys > 0 and new_keys > room then
        verdict = 2
      end
      verdicts[#verdicts + 1] = verdict
      if verdict == 0 then
        room = room - new_keys
        for each = first, index do
          if known[each] == '' then
            taken[#taken + 1] = string.sub(body, parts[each].from, parts[each].to)
            taken_users[#taken] = parts[each].user
            if parts[each].id then
              fresh[#fresh + 1] = {id = parts[each].id, content = parts[each].content, place = #taken}
            end
          end
        end
      end
      first = index + 1
    end
  end
  if #taken == 0 then
    return {'', 0, 0, verdicts, known}
  end
  if #taken < count then
    count = #taken
    body = struct.pack('>H', count) .. table.concat(taken)
    users = table.concat(taken_users)
  end
end

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

local remembering
if fresh and fresh[1] then
  local turn_ms = tonumber(ARGV[10])
  local last = redis.call('HMGET', KEYS[1], 'turn', 'turnAt')
  local turn = tonumber(last[1]) or 0
  local turn_at = tonumber(last[2])
  -- A clock that went back far must not make a turn endless.
  local is_over = not turn_at or math.abs(now - turn_at) >= turn_ms
  if is_over then
    turn = turn + 1
    redis.call('HSET', KEYS[1], 'turn', turn, 'turnAt', string.format('%.0f', now))
  end
  remembering = KEYS[3 + turn % (#KEYS - 2)]
  if is_over then
    redis.call('UNLINK', remembering)
  end
end

local header = struct.pack('>BBc0I8', tonumber(ARGV[6]), #epoch, epoch, offset + 1)
offset = redis.call('HINCRBY', KEYS[1], 'offset', count)
local envelope = header .. body
if ARGV[8] and ARGV[8] ~= '0' then
  -- Entries go whole, and only with their last publication: at least as many are kept as asked for.
  local life = redis.call('HGET', KEYS[1], 'life') or ''
  local least = string.format('%.0f-0', math.max(0, offset - ARGV[8] + 1))
  local id = string.format('%.0f-0', offset)
  local entry = {'b', envelope, 'l', life}
  if users ~= '' then
    entry[5] = 'u'
    entry[6] = users
  end
  local added = redis.pcall('XADD', KEYS[2], 'MINID', '=', least, id, unpack(entry))
  if type(added) == 'table' and added.err then
    -- A lost record has left entries with higher offsets: they are of no use to anybody.
    redis.call('DEL', KEYS[2])
    redis.call('XADD', KEYS[2], id, unpack(entry))
  end
  redis.call('EXPIRE', KEYS[2], ARGV[9])
end
if recall ~= '' and (not ARGV[8] or ARGV[8] == '0') then
  -- Nothing is kept by now. What was kept earlier may have what is recalled.
  redis.call('UNLINK', KEYS[2])
elseif recall ~= '' then
  if recall == 'all' or not redis.call('HGET', KEYS[1], 'recalled') then
    -- Either everything is recalled, or the offsets there are those of a record that was lost.
    redis.call('UNLINK', ARGV[15])
  end
  redis.call('HSET', KEYS[1], 'recalled', string.format('%.0f', offset))
  if recall == 'all' then
    redis.call('HSET', KEYS[1], 'cleared', string.format('%.0f', offset - 1))
  else
    -- Only what is kept is remembered, so that there is no more of it than of that.
    local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
    local batch = oldest[2][2]
    local first = tonumber(string.match(oldest[1], '^%d+')) - struct.unpack('>H', batch, 2 + string.byte(batch, 2) + 9) + 1
    redis.call('ZREMRANGEBYSCORE', ARGV[15], '-inf', string.format('(%.0f', first))
    local members = {}
    for each in string.gmatch(recall, '%d+') do
      if tonumber(each) >= first and tonumber(each) < offset then
        members[#members + 1] = each
        members[#members + 1] = each
      end
    end
    if members[1] then
      redis.call('ZADD', ARGV[15], unpack(members))
    end
    redis.call('EXPIRE', ARGV[15], math.max(ARGV[3], ARGV[9]))
  end
end
if remembering then
  local fields = {}
  for _, key in ipairs(fresh) do
    fields[#fields + 1] = key.id
    fields[#fields + 1] = key.content .. struct.pack('>I8', offset - count + key.place) .. epoch
  end
  redis.call('HSET', remembering, unpack(fields))
  -- It takes keys for one turn, and its turn comes again when all others have had theirs.
  redis.call('EXPIRE', remembering, math.ceil(ARGV[10] * (#KEYS - 2) / 1000))
end
redis.call('SPUBLISH', ARGV[5], envelope)
redis.call('EXPIRE', KEYS[1], ARGV[3])
if verdicts then
  return {epoch, offset, count, verdicts, known}
end
return {epoch, offset}

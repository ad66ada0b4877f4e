#!lua flags=allow-oom
-- Reads kept publications of a channel and the end of its log, and writes nothing. Without the flag `no-writes` a
-- replica refuses it: a demoted master does not know the log's end.
--
-- KEYS[1]  the channel's record (append.lua)
-- KEYS[2]  the channel's history (append.lua). Entries of another life of the record are passed over
-- ARGV     reign of the master | shared beginning of the names of its epochs
--          | offset after which to read, or -1 for the newest | offset before which they are, or 0
--          | publications wanted | most bytes of the answer
--          | key of the recalled offsets (append.lua)
-- Replies  epoch, offset of the last publication, epoch before a failover, its last offset that is still good,
--          envelopes in the order of their offsets, for each of them its users or nothing,
--          offset of the newest tombstone or 0, offset up to which everything was recalled, recalled offsets above it
--          The envelopes at both ends may have more than was asked for.
local record = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'offset', 'before', 'beforeOffset', 'life', 'recalled', 'cleared')
local offset = tonumber(record[3])
if not record[1] or not record[2] or not offset then
  return {ARGV[2], 0, '', 0, {}, {}, 0, 0, {}}
end
local epoch = record[2]
local before = record[4] or ''
local before_offset = tonumber(record[5]) or 0
if record[1] ~= ARGV[1] then
  epoch = ARGV[2]
  before = record[2]
  before_offset = offset
end

local life = record[6] or ''
local after = tonumber(ARGV[3])
local before_wanted = tonumber(ARGV[4])
local wanted = tonumber(ARGV[5])
local bytes_max = tonumber(ARGV[6])
local envelopes = {}
local users = {}
-- Offsets of the first and the last publication in them.
local lowest, highest
local bytes = 0
local publications = 0
local next_id = after >= 0 and string.format('%.0f-0', after + 1) or '+'
if after < 0 and before_wanted > 0 then
  -- The batch that has the last wanted offset is the first one whose id is not below it.
  local entry = redis.call('XRANGE', KEYS[2], string.format('%.0f-0', before_wanted - 1), '+', 'COUNT', 1)[1]
  next_id = entry and entry[1] or '+'
end
while publications < wanted and bytes < bytes_max do
  local entries
  if after >= 0 then
    entries = redis.call('XRANGE', KEYS[2], next_id, '+', 'COUNT', 16)
  else
    entries = redis.call('XREVRANGE', KEYS[2], next_id, '-', 'COUNT', 16)
  end
  for _, entry in ipairs(entries) do
    if publications >= wanted or bytes >= bytes_max then
      break
    end
    if entry[2][4] == life then
      local body = entry[2][2]
      local count = struct.unpack('>H', body, 2 + string.byte(body, 2) + 9)
      envelopes[#envelopes + 1] = body
      users[#envelopes] = entry[2][6] or ''
      bytes = bytes + #body
      publications = publications + count
      local last = tonumber(string.match(entry[1], '^%d+'))
      lowest = math.min(lowest or last, last - count + 1)
      highest = math.max(highest or last, last)
      -- The first batch may begin before the wanted offsets, or end after them.
      if #envelopes == 1 then
        if after >= 0 then
          publications = math.min(count, last - after)
        elseif before_wanted > 0 then
          publications = math.max(0, count - math.max(0, last + 1 - before_wanted))
        end
      end
    end
    next_id = '(' .. entry[1]
  end
  if #entries < 16 then
    break
  end
end
if after < 0 then
  local turned = {}
  local turned_users = {}
  for index = #envelopes, 1, -1 do
    turned[#turned + 1] = envelopes[index]
    turned_users[#turned] = users[index]
  end
  envelopes = turned
  users = turned_users
end
local recalled_at = tonumber(record[7]) or 0
local recalled = {}
if recalled_at > 0 and lowest then
  recalled = redis.call('ZRANGEBYSCORE', ARGV[7], string.format('%.0f', lowest), string.format('%.0f', highest))
end
return {epoch, offset, before, before_offset, envelopes, users, recalled_at, tonumber(record[8]) or 0, recalled}

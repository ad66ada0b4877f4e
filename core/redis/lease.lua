-- Takes a lease, or renews the caller's own.
-- KEYS[1] the lease. ARGV: owner's token | milliseconds that it holds.
-- Replies 1 if the caller has the lease now, 2 if another bus of the caller's process has it, else 0.
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  -- All tokens of one process begin with the same 16 characters.
  return string.sub(owner, 1, 16) == string.sub(ARGV[1], 1, 16) and 2 or 0
end
if owner then
  -- A full Redis refuses SET but not PEXPIRE: it must not take numbers from running gateways.
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1

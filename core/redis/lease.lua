-- Takes a lease or renews one's own.
-- KEYS[1] the lease. ARGV: owner's token | milliseconds that it holds. Replies 1 if it is the caller's now, else 0.
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  return 0
end
if owner then
  -- Redis does this without memory too, where it would refuse a SET: a full Redis must not take numbers from gateways that run.
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1

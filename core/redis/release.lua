-- Gives a lease back, if the caller still has it. KEYS[1] the lease. ARGV: owner's token.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return 1

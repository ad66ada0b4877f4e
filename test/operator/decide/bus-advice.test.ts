import { expect, test } from 'vitest';
import { busAdvice } from '../../../operator/decide/bus-advice.ts';

// The words are those of Redis 7.0, of OpenSSL, of Node's resolver and of core/redis.
test.each([
  ['WRONGPASS invalid username-password pair or user is disabled.', 'Secret of spec.bus.redis.credentialsSecret: correct'],
  ['NOAUTH HELLO must be called with the client already authenticated', 'name a Secret that holds it'],
  ["NOPERM this user has no permissions to run the 'info' command", 'docs/bus.md'],
  ['self-signed certificate in certificate chain', 'spec.bus.redis.tls.caSecret'],
  ['unable to verify the first certificate', 'spec.bus.redis.tls.caSecret'],
  ['certificate has expired', 'Renew'],
  ["Hostname/IP does not match certificate's altnames: Host: redis. is not in the cert's altnames: DNS:other", 'does not name this host'],
  ['the server broke off the connection', 'Check spec.bus.redis.tls:'],
  ["the Sentinels know no master named 'live'", 'sentinelName'],
  ["no Sentinel can be asked: ERR unknown command 'sentinel', with args beginning with: ", 'must name Sentinels'],
  ['no Sentinel can be asked: WRONGPASS invalid username-password pair', 'credentialsSecret: correct'],
  ['no Sentinel answers at sentinels:26379', 'and that Redis runs'],
  ['the server is a Sentinel: set BARRAGE_REDIS_MODE to Sentinel', 'Set spec.bus.redis.mode to Sentinel'],
  ['the server is a node of a Redis Cluster: set BARRAGE_REDIS_MODE to Cluster', 'Set spec.bus.redis.mode to Cluster.'],
  ['the server is no node of a Redis Cluster, but BARRAGE_REDIS_MODE is Cluster', 'Standalone or Sentinel'],
  ['the server is a replica', 'Write the master'],
  ['getaddrinfo ENOTFOUND redis', 'no host of this name'],
  ['connect ECONNREFUSED 10.0.0.1:6379', 'and that Redis runs'],
  ['connect ETIMEDOUT', 'and that Redis runs'],
])('who reads %j is told what to do', (reason, advice) => {
  expect(busAdvice(`the bus: Redis: ${reason}`)).toContain(advice);
});

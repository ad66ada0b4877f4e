/** Advice for a reason, in the words of Redis or the network, why a gateway does not reach its bus. */
interface Advice {
  readonly words: RegExp;
  readonly advice: string;
}

/** The first match counts. */
const advices: readonly Advice[] = [
  {
    words: /WRONGPASS|ERR invalid password/,
    advice: 'Redis refuses the user or password in the Secret of spec.bus.redis.credentialsSecret: correct one of the two.',
  },
  {
    words: /NOAUTH/,
    advice: 'Redis asks for a password: name a Secret that holds it in spec.bus.redis.credentialsSecret.',
  },
  { words: /NOPERM/, advice: 'Give the user of spec.bus.redis.credentialsSecret the rights that docs/bus.md lists.' },
  {
    words: /certificate has expired|certificate is not yet valid/i,
    advice: "Renew the Redis server's certificate.",
  },
  {
    words: /altnames/,
    advice:
      "Redis's certificate does not name this host: write another into spec.bus.redis.addresses, or issue a certificate that names it.",
  },
  {
    words: /certificate/,
    advice: "Check spec.bus.redis.tls.caSecret: its ca.crt must be the authority that signed Redis's certificate.",
  },
  {
    words: /broke off the connection|wrong version number|packet length/,
    advice: 'Check spec.bus.redis.tls: it must be there exactly where Redis serves by TLS at these addresses.',
  },
  {
    words: /know no master named/,
    advice: 'Set spec.bus.redis.sentinelName to the name that the Sentinels know (sentinel monitor NAME).',
  },
  {
    words: /is a Sentinel/,
    advice: 'Set spec.bus.redis.mode to Sentinel, or spec.bus.redis.addresses to the server.',
  },
  {
    words: /unknown command 'sentinel'/i,
    advice: 'spec.bus.redis.addresses must name Sentinels when spec.bus.redis.mode is Sentinel.',
  },
  { words: /is a node of a Redis Cluster/, advice: 'Set spec.bus.redis.mode to Cluster.' },
  {
    words: /is no node of a Redis Cluster/,
    advice: 'Set spec.bus.redis.mode to Standalone or Sentinel, or spec.bus.redis.addresses to nodes of a Cluster.',
  },
  {
    words: /is a replica/,
    advice: 'Write the master into spec.bus.redis.addresses, or set spec.bus.redis.mode to Sentinel.',
  },
  { words: /ENOTFOUND|EAI_AGAIN/, advice: 'Check spec.bus.redis.addresses: no host of this name is found.' },
];

const anyAdvice = 'Check spec.bus.redis: its addresses, tls and credentialsSecret, and that Redis runs.';

/** @param reason the gateway's own words for what it waits for */
export function busAdvice(reason: string): string {
  return advices.find(({ words }) => words.test(reason))?.advice ?? anyAdvice;
}

import type { Edits } from './full-objects.ts';
import type { RuleCase } from './rule-case.ts';
import { urlCases } from './url-cases.ts';

const memory: Edits = { 'spec.bus': { type: 'Memory' }, 'spec.scaling': { type: 'Fixed' } };
const jwks = 'https://example.com/jwks.json';
const tls = { secretName: 'certificate' };
const redis = { mode: 'Standalone', addresses: ['redis:6379'] };

function share(at: string, message: string, least: 0 | 1): RuleCase {
  const texts = (...all: readonly string[]): readonly Edits[] => all.map((text) => ({ [at]: text }));
  return {
    kind: 'GatewayPool',
    at,
    message,
    accepted: [{ [at]: least }, { [at]: 3 }, ...texts(`${least}%`, '25%', '100%')],
    refused: texts('25', 'all', '101%', '05%', '-1%', '', '1.5%', ...(least === 1 ? ['0%'] : [])),
  };
}

const poolRules: readonly Omit<RuleCase, 'kind'>[] = [
  {
    at: '',
    message: 'metadata.name must be 1 to 40',
    accepted: [{ 'metadata.name': 'a' }, { 'metadata.name': `a${'-'.repeat(38)}9` }],
    refused: [{ 'metadata.name': 'a'.repeat(41) }, { 'metadata.name': '9a' }, { 'metadata.name': 'a.b' }],
  },
  {
    at: 'spec',
    message: 'a Memory bus allows one gateway only',
    accepted: [{ ...memory, 'spec.replicas': 1 }, { ...memory, 'spec.replicas': 0 }, { spec: {} }],
    refused: [
      { ...memory, 'spec.replicas': 2 },
      { 'spec.bus': undefined },
      { ...memory, 'spec.replicas': 1, 'spec.scaling': { type: 'External' } },
    ],
  },
  {
    at: 'spec',
    message: 'with tls the gateways end TLS, and a Gateway leads plain HTTP to them',
    accepted: [{}, { 'spec.exposure': { type: 'PodIP' }, 'spec.tls': tls }],
    refused: [{ 'spec.tls': tls }],
  },
  {
    at: 'spec',
    message: 'with tls the gateways take no ws://',
    accepted: [
      { 'spec.exposure': { type: 'URLTemplate', urlTemplate: 'ws://{pod}' } },
      { 'spec.exposure': { type: 'URLTemplate', urlTemplate: 'wss://{pod}' }, 'spec.tls': tls },
    ],
    refused: [{ 'spec.exposure': { type: 'URLTemplate', urlTemplate: 'ws://{pod}' }, 'spec.tls': tls }],
  },
  {
    at: 'spec.bus',
    message: 'bus.redis must be given',
    accepted: [{}, { 'spec.bus': { redis } }],
    refused: [
      { 'spec.bus.redis': undefined },
      { 'spec.bus': {} },
      { ...memory, 'spec.replicas': 1, 'spec.bus': { type: 'Memory', redis } },
    ],
  },
  {
    at: 'spec.bus.redis',
    message: 'bus.redis.sentinelName must be given',
    accepted: [{}, { 'spec.bus.redis': redis }],
    refused: [{ 'spec.bus.redis.sentinelName': undefined }, { 'spec.bus.redis': { ...redis, sentinelName: 'main' } }],
  },
  {
    at: 'spec.bus.redis',
    message: 'bus.redis.addresses must have one address',
    accepted: [{ 'spec.bus.redis': { mode: 'Cluster', addresses: ['a:1', 'b:1'] } }],
    refused: [{ 'spec.bus.redis': { mode: 'Standalone', addresses: ['a:1', 'b:1'] } }],
  },
  {
    at: 'spec.bus.redis.addresses.[]',
    message: 'an address must be host:port',
    accepted: ['redis:6379', '10.0.0.1:65535', '[fd00::1]:6379'].map((address) => ({ 'spec.bus.redis.addresses[0]': address })),
    refused: [
      'redis',
      'redis:',
      'redis:port',
      ':6379',
      'redis://redis:6379',
      'fd00::1:6379',
      'user@redis:1',
      'redis:123456',
      'redis:65536',
      'redis:0',
      'redis?a:1',
      'a#b:1',
      'a..b:1',
    ].map((address) => ({
      'spec.bus.redis.addresses[0]': address,
    })),
  },
  {
    at: 'spec.bus.redis.keyPrefix',
    message: 'keyPrefix must have no spaces',
    accepted: [{ 'spec.bus.redis.keyPrefix': 'namespace/pool' }],
    refused: ['a b', '{a}', 'a}', 'a\n'].map((prefix) => ({ 'spec.bus.redis.keyPrefix': prefix })),
  },
  {
    at: 'spec.auth',
    message: 'only one of auth.webhookURL',
    accepted: [{}, { 'spec.auth': {} }, { 'spec.auth': { jwksURL: jwks } }, { 'spec.auth': { jwtSecret: { name: 'a', key: 'b' } } }],
    refused: [{ 'spec.auth.jwksURL': jwks }, { 'spec.auth': { jwksURL: jwks, jwtSecret: { name: 'a', key: 'b' } } }],
  },
  {
    at: 'spec.auth',
    message: 'auth.jwtIssuer and auth.jwtAudience are claims of JWTs',
    accepted: [
      { 'spec.auth': { jwksURL: jwks, jwtIssuer: 'https://id.example', jwtAudience: 'barrage' } },
      { 'spec.auth': { jwtSecret: { name: 'a', key: 'b' }, jwtAudience: 'barrage' } },
    ],
    refused: [{ 'spec.auth.jwtIssuer': 'https://id.example' }, { 'spec.auth': { jwtAudience: 'barrage' } }],
  },
  ...['spec.auth.jwtIssuer', 'spec.auth.jwtAudience'].map((at) => ({
    at,
    message: 'must have no spaces and no control characters',
    accepted: ['https://id.example/tenant', '直播'].map((claim) => ({ 'spec.auth': { jwksURL: jwks }, [at]: claim })),
    refused: ['two words', 'line\n', '\u0000'].map((claim) => ({ 'spec.auth': { jwksURL: jwks }, [at]: claim })),
  })),
  {
    at: 'spec.auth.allowedOrigins.[]',
    message: 'an origin must be scheme and host',
    accepted: [
      '*',
      'null',
      'file://',
      'https://example.com',
      'https://Example.COM:443/',
      'http://localhost:8080',
      'http://[::1]:8080',
      'http://10.0.0.1',
      'capacitor://localhost',
      'chrome-extension://abcdefgh',
      'https://xn--lvtst.example',
    ].map((origin) => ({ 'spec.auth.allowedOrigins[0]': origin })),
    refused: [
      'example.com',
      'localhost:3000',
      'https://example.com/watch',
      'https://example.com?a',
      'https://example.com#a',
      'https://me@example.com',
      'https://*.example.com',
      'https://a,https://b',
      'https://example.com:65536',
      'https://example.com:',
      'https://x..y',
      'https://弹幕.example',
      'wss://example.com',
      'https://',
    ].map((origin) => ({ 'spec.auth.allowedOrigins[0]': origin })),
  },
  {
    at: 'spec.auth.allowedOrigins.[]',
    message: 'the host of an origin ends like an IP address',
    accepted: ['https://10.0.0.1:8443', 'https://[fd00::1]', 'https://10.0.0.1.example'].map((origin) => ({
      'spec.auth.allowedOrigins[0]': origin,
    })),
    refused: ['https://999.1.1.1', 'https://10.0.0', 'https://a.0x1:80', 'https://[1::2::3]'].map((origin) => ({
      'spec.auth.allowedOrigins[0]': origin,
    })),
  },
  {
    at: 'spec.exposure',
    message: 'exposure.urlTemplate must be given',
    accepted: [{ 'spec.exposure': { type: 'URLTemplate', urlTemplate: 'ws://{pod}' } }, { 'spec.exposure': undefined }],
    refused: [{ 'spec.exposure': { type: 'URLTemplate' } }, { 'spec.exposure': { urlTemplate: 'ws://{pod}' } }],
  },
  {
    at: 'spec.exposure',
    message: 'exposure.httpRoute must be given',
    accepted: [{}],
    refused: [{ 'spec.exposure': { type: 'HTTPRoute' } }, { 'spec.exposure.type': 'PodIP' }],
  },
  {
    at: 'spec.exposure.httpRoute.hostname',
    message: 'hostname must be a DNS name',
    accepted: ['a', 'live.example.com', '1.a-b.c'].map((name) => ({ 'spec.exposure.httpRoute.hostname': name })),
    refused: ['Live.example.com', 'live.example.com:443', 'live..com', '-a.com', 'https://a', 'a_b', '10.0.0.1', 'a.1'].map((name) => ({
      'spec.exposure.httpRoute.hostname': name,
    })),
  },
  {
    at: 'spec.publisher',
    message: 'publisher.minReplicas must not exceed',
    accepted: [{ 'spec.publisher.minReplicas': 10 }, { 'spec.publisher': { minReplicas: 10 } }],
    refused: [{ 'spec.publisher.minReplicas': 11 }, { 'spec.publisher': { maxReplicas: 1 } }],
  },
  ...['requests', 'limits'].map((kind) => ({
    at: `spec.publisher.resources.${kind}.*`,
    message: 'must be a quantity',
    accepted: ['500m', '0.5', 1, '256Mi'].map((cpu) => ({ [`spec.publisher.resources.${kind}.cpu`]: cpu })),
    refused: ['much', '1 Gi', '1mb', ''].map((cpu) => ({ [`spec.publisher.resources.${kind}.cpu`]: cpu })),
  })),
  {
    at: 'spec.scaling',
    message: 'scaling.connections must be given',
    accepted: [{}, { 'spec.scaling': { type: 'External' } }],
    refused: [{ 'spec.scaling.connections': undefined }, { 'spec.scaling.type': 'Fixed' }, { 'spec.scaling.type': 'External' }],
  },
  {
    at: 'spec.scaling.connections',
    message: 'scaling.connections.minReplicas must not exceed',
    accepted: [{ 'spec.scaling.connections.minReplicas': 10, 'spec.scaling.connections.fallbackReplicas': undefined }],
    refused: [{ 'spec.scaling.connections.minReplicas': 11, 'spec.scaling.connections.fallbackReplicas': undefined }],
  },
  {
    at: 'spec.scaling.connections.fallbackReplicas',
    message: 'fallbackReplicas must lie between',
    accepted: [{ 'spec.scaling.connections.fallbackReplicas': 1 }, { 'spec.scaling.connections.fallbackReplicas': 10 }],
    refused: [
      { 'spec.scaling.connections.fallbackReplicas': 11 },
      { 'spec.scaling.connections.fallbackReplicas': 1, 'spec.scaling.connections.minReplicas': 2 },
    ],
  },
  {
    at: 'spec.placement',
    message: 'placement.hotChannelThresholdPercent must be below',
    accepted: [{ 'spec.placement.hotChannelThresholdPercent': 124 }],
    refused: [{ 'spec.placement.hotChannelThresholdPercent': 125 }, { 'spec.placement': { hotChannelThresholdPercent: 200 } }],
  },
  {
    at: 'spec.placement.hashSeed',
    message: "placement.hashSeed can't be changed",
    accepted: [{ 'spec.placement.hashSeed': 0 }, { 'spec.placement': undefined }],
    refused: [{ 'spec.placement.hashSeed': 1 }],
    isChange: true,
  },
  {
    at: 'spec.maxConnectionAgeSeconds',
    message: 'maxConnectionAgeSeconds must be 0 (no greatest age), or at least 300',
    accepted: [0, 300, undefined].map((seconds) => ({ 'spec.maxConnectionAgeSeconds': seconds })),
    refused: [1, 299].map((seconds) => ({ 'spec.maxConnectionAgeSeconds': seconds })),
  },
  {
    at: 'spec.drain',
    message: 'drain.deadlineSeconds must exceed',
    accepted: [{ 'spec.drain': { propagationSeconds: 10, deadlineSeconds: 11 } }],
    refused: [{ 'spec.drain': { propagationSeconds: 10, deadlineSeconds: 10 } }, { 'spec.drain': { deadlineSeconds: 10 } }],
  },
];

const channelRules: readonly Omit<RuleCase, 'kind'>[] = [
  {
    at: 'spec.channel',
    message: "channel can't be changed",
    accepted: [{}, { 'spec.presence': 'Off' }],
    refused: [{ 'spec.channel': 'video:100002' }],
    isChange: true,
  },
  {
    at: 'spec.poolRef',
    message: "poolRef can't be changed",
    accepted: [{ 'spec.merge': undefined }],
    refused: [{ 'spec.poolRef.name': 'other' }],
    isChange: true,
  },
  {
    at: 'spec.expectedPeak',
    message: 'expectedPeak needs one channel',
    accepted: [{}, { 'spec.channel': 'video:*', 'spec.expectedPeak': undefined }],
    refused: [{ 'spec.channel': 'video:*' }, { 'spec.channel': '*' }],
  },
  {
    at: 'spec.access',
    message: 'channels of user: belong to their owner',
    accepted: ['user:1', 'user:2'].map((channel) => ({ 'spec.channel': channel, 'spec.access': { subscribe: 'Owner' } })),
    refused: [{ 'spec.channel': 'user:1' }, { 'spec.channel': 'user:*', 'spec.access': undefined, 'spec.expectedPeak': undefined }],
  },
  {
    at: 'spec.poolRef.name',
    message: "must be a GatewayPool's name",
    accepted: ['a', 'live-1'].map((name) => ({ 'spec.poolRef.name': name })),
    refused: ['1live', 'Live', 'a.b', 'a-', 'other/live'].map((name) => ({ 'spec.poolRef.name': name })),
  },
  {
    at: 'spec.channel',
    message: 'a channel is a name without spaces',
    accepted: ['video:100001', '弹幕:一', 'a', '*', 'video:*'].map((channel) => ({
      'spec.channel': channel,
      'spec.expectedPeak': undefined,
    })),
    refused: ['a b', 'a@b', '**', 'a**', 'a*b', '\u00a0', 'a\u200b', '\u2028', 'a\t', 'a\u0000', '\u3000*', 'a\u000b', 'a\ufeff'].map(
      (channel) => ({
        'spec.channel': channel,
        'spec.expectedPeak': undefined,
      }),
    ),
  },
  {
    at: 'spec.channel',
    message: 'the channel name is longer than 253 bytes',
    accepted: ['a'.repeat(253), `${'a'.repeat(253)}*`, '弹'.repeat(84)].map((channel) => ({
      'spec.channel': channel,
      'spec.expectedPeak': undefined,
    })),
    refused: ['a'.repeat(254), '弹'.repeat(85), `${'弹'.repeat(84)}aa*`].map((channel) => ({
      'spec.channel': channel,
      'spec.expectedPeak': undefined,
    })),
  },
  {
    at: 'spec.expectedPeak.endTime',
    message: 'expectedPeak.endTime must be after',
    accepted: [{ 'spec.expectedPeak.endTime': '2026-12-31T20:00:01Z' }, { 'spec.expectedPeak.endTime': undefined }],
    refused: [{ 'spec.expectedPeak.endTime': '2026-12-31T20:00:00Z' }, { 'spec.expectedPeak.endTime': '2026-12-31T21:30:00+02:00' }],
  },
];

/** Every rule of both APIs; a test counts them against the schemas. */
export const ruleCases: readonly RuleCase[] = [
  ...poolRules.map((each): RuleCase => ({ kind: 'GatewayPool', ...each })),
  ...['spec.drain.maxConcurrentPods', 'spec.updateStrategy.maxSurge'].map((at) =>
    share(at, 'must be a whole number, or a percentage from 1%', 1),
  ),
  share('spec.disruption.maxUnavailable', 'must be a whole number, or a percentage from 0%', 0),
  ...urlCases,
  ...channelRules.map((each): RuleCase => ({ kind: 'BarrageChannel', ...each })),
];

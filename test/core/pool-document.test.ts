import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decideCommand, signCommand, verifyCommand, type DrainCommand } from '../../core/pool/drain-command.ts';
import { readAdminStatus } from '../../core/pool/admin-status.ts';
import {
  decideDocument,
  policiesHash,
  poolLimits,
  readPolicyParts,
  signDocument,
  verifyDocument,
  type DocumentMark,
} from '../../core/pool/pool-document.ts';
import { publicKeyFault, sealEnvelope } from '../../core/pool/signed-envelope.ts';
import { gatewayNamed, poolDocument, poolKeys } from '../support/pool-document.ts';

const seed = 20_261_123;
const params = { seed, numRuns: 100 };
const { publicKeyPem, privateKeyPem } = poolKeys();
const stranger = poolKeys();

test('a document that was signed is verified as it was, and its digest names its content', () => {
  const document = poolDocument({
    epoch: 42,
    gateways: [gatewayNamed('main-a'), gatewayNamed('main-b', { state: 'draining', weight: 0.5 })],
    overrides: [{ channel: 'video:弹幕', gateways: ['main-a', 'main-b'] }],
  });
  const read = verifyDocument(signDocument(document, privateKeyPem), publicKeyPem);
  expect(read).toMatchObject({ kind: 'verified', document });
  const other = verifyDocument(signDocument({ ...document, hashSeed: 1 }, privateKeyPem), publicKeyPem);
  expect(read.kind === 'verified' && other.kind === 'verified' && read.digest !== other.digest).toBe(true);
});

test('a field that this version does not know is left out: a newer operator is understood', () => {
  const text = JSON.stringify({ ...poolDocument({ gateways: [] }), shards: 3, gateways: [{ ...gatewayNamed('a'), zone: 'x' }] });
  expect(verifyDocument(sealEnvelope(text, privateKeyPem), publicKeyPem)).toMatchObject({
    kind: 'verified',
    document: poolDocument({ gateways: [gatewayNamed('a')] }),
  });
});

test.each([
  ['publishTo is listened to', { publishTo: 'b', listenTo: ['a'] }],
  ['no bus stands twice', { publishTo: 'a', listenTo: ['a', 'a'] }],
  ['at most four', { publishTo: 'a', listenTo: ['a', 'b', 'c', 'd', 'e'] }],
  ['ids are short', { publishTo: 'A', listenTo: ['A'] }],
])('of the buses of a document: %s', (_, bus) => {
  expect(
    verifyDocument(signDocument(poolDocument({ bus: { publishTo: 'a', listenTo: ['a', 'b'] } }), privateKeyPem), publicKeyPem),
  ).toMatchObject({ kind: 'verified', document: { bus: { publishTo: 'a', listenTo: ['a', 'b'] } } });
  const text = JSON.stringify({ ...poolDocument(), bus });
  expect(verifyDocument(sealEnvelope(text, privateKeyPem), publicKeyPem)).toMatchObject({ kind: 'malformed' });
});

test("another key's signature, and a document that was changed by one character, are forged", () => {
  const envelope = signDocument(poolDocument({ gateways: [gatewayNamed('a')] }), privateKeyPem);
  expect(verifyDocument(envelope, stranger.publicKeyPem)).toMatchObject({ kind: 'forged' });
  const { document, signature } = JSON.parse(envelope) as { document: string; signature: string };
  fc.assert(
    fc.property(fc.nat(document.length - 1), fc.constantFrom('0', 'x', '"', '}'), (at, character) => {
      const changed = document.slice(0, at) + character + document.slice(at + 1);
      const kind = changed === document ? 'verified' : 'forged';
      expect(verifyDocument(JSON.stringify({ document: changed, signature }), publicKeyPem).kind).toBe(kind);
    }),
    params,
  );
});

test('whatever is sent for an envelope, a document or a status is refused in words, and nothing throws', () => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.json({ maxDepth: 3 }),
    fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify({ document: value, signature: 'AA==' })),
  );
  fc.assert(
    fc.property(anything, (text) => {
      expect(verifyDocument(text, publicKeyPem)).toMatchObject({ kind: 'malformed', fault: expect.any(String) });
      expect(verifyCommand(text, publicKeyPem)).toMatchObject({ kind: 'malformed' });
      // Even where the operator itself signed it.
      expect(verifyDocument(sealEnvelope(text, privateKeyPem), publicKeyPem)).toMatchObject({ kind: 'malformed' });
      expect(verifyCommand(sealEnvelope(text, privateKeyPem), publicKeyPem)).toMatchObject({ kind: 'malformed' });
      expect(readAdminStatus(text)).toBeUndefined();
    }),
    params,
  );
});

const good = poolDocument({ gateways: [gatewayNamed('a')] });

test.each([
  ['another version', { ...good, version: 2 }],
  ['epoch 0', { ...good, epoch: 0 }],
  ['an epoch that is no integer', { ...good, epoch: 1.5 }],
  ['a pool without a namespace', { ...good, pool: 'main' }],
  ['a URL that is no WebSocket', { ...good, gateways: [gatewayNamed('a', { url: 'http://10.0.0.1/' })] }],
  ['a negative weight', { ...good, gateways: [gatewayNamed('a', { weight: -1 })] }],
  ['an unknown state', { ...good, gateways: [{ ...gatewayNamed('a'), state: 'gone' }] }],
  ['a gateway twice', { ...good, gateways: [gatewayNamed('a'), gatewayNamed('a')] }],
  ['too many gateways', { ...good, gateways: Array.from({ length: poolLimits.gatewaysMax + 1 }, (_, index) => gatewayNamed(`g${index}`)) }],
  ['an override of no channel', { ...good, overrides: [{ channel: 'a b', gateways: ['a'] }] }],
  ['an override without gateways', { ...good, overrides: [{ channel: 'a', gateways: [] }] }],
  ['a hash that is none', { ...good, policies: { hash: 'x', parts: 0 } }],
  ['too many parts', { ...good, policies: { hash: policiesHash([]), parts: poolLimits.policyPartsMax + 1 } }],
])('%s makes a document malformed, and is not signed', (_, document) => {
  expect(verifyDocument(sealEnvelope(JSON.stringify(document), privateKeyPem), publicKeyPem)).toMatchObject({ kind: 'malformed' });
  expect(() => signDocument(document as never, privateKeyPem)).toThrow();
});

test('a document at the bound of its gateways fits, and one that is too large is told apart', () => {
  const gateways = Array.from({ length: poolLimits.gatewaysMax }, (_, index) => gatewayNamed(`main-${index}`));
  expect(verifyDocument(signDocument({ ...good, gateways }, privateKeyPem), publicKeyPem).kind).toBe('verified');
  const long = gateways.map((gateway) => ({ ...gateway, url: `ws://${'x'.repeat(400)}.invalid/` }));
  expect(() => signDocument({ ...good, gateways: long }, privateKeyPem)).toThrow(RangeError);
});

test('the newest epoch wins; the same epoch with another content, and another pool, are conflicts', () => {
  const mark = fc.record({ pool: fc.constantFrom('a/x', 'a/y'), epoch: fc.integer({ min: 1, max: 4 }), digest: fc.constantFrom('1', '2') });
  fc.assert(
    fc.property(fc.option(mark, { nil: undefined }), mark, (current: DocumentMark | undefined, incoming) => {
      const decision = decideDocument(current, incoming);
      if (current === undefined) expect(decision).toBe('accept');
      else if (current.pool !== incoming.pool) expect(decision).toBe('conflict');
      else if (current.epoch < incoming.epoch) expect(decision).toBe('accept');
      else if (current.epoch > incoming.epoch) expect(decision).toBe('older');
      else expect(decision).toBe(current.digest === incoming.digest ? 'same' : 'conflict');
    }),
    params,
  );
});

const part = (...channels: readonly string[]): string => JSON.stringify({ channels: channels.map((channel) => ({ channel })) });

test('policy parts are read in order when they are the ones that the document names', () => {
  const parts = [part('video:*'), part('chat:1', 'chat:*')];
  const read = readPolicyParts({ policies: { hash: policiesHash(parts), parts: 2 } }, parts);
  expect(read.kind === 'policies' && read.policies.map(({ channel }) => channel)).toEqual(['video:*', 'chat:1', 'chat:*']);
});

test.each([
  ['one too few', [part('a')], { parts: 2 }, /there are 1 policy parts; the document names 2/],
  ['other parts', [part('a')], { hash: policiesHash([part('b')]) }, /their hash differs/],
  ['parts in another order', [part('a'), part('b')], { hash: policiesHash([part('b'), part('a')]) }, /their hash differs/],
  ['no JSON', ['{'], {}, /policies-0: not JSON/],
  ['no list', [part('a'), '{"channels":{}}'], {}, /policies-1: no list of channels/],
  ['nothing at all', ['null'], {}, /policies-0: no list of channels/],
  ['a part that is too large', [`${part('a')}${' '.repeat(poolLimits.policyPartBytesMax)}`], {}, /policies-0 has more than/],
])('%s: refused in words', (_, parts, named, fault) => {
  const read = readPolicyParts({ policies: { hash: policiesHash(parts), parts: parts.length, ...named } }, parts);
  expect(read.kind === 'faults' && read.faults.join('\n')).toMatch(fault);
});

test('a policy that a newer operator wrote is read as far as it is understood, and refuses no part', () => {
  const newer = { channel: 'b', merge: { windowMilliseconds: 7, shape: 'Flat' }, access: { subscribe: 'Members' } };
  const parts = [part('a'), JSON.stringify({ channels: [newer, { pattern: 'c' }], format: 2 }), part('d', 'a')];
  const read = readPolicyParts({ policies: { hash: policiesHash(parts), parts: 3 } }, parts);
  expect(read).toMatchObject({
    kind: 'policies',
    policies: [{ channel: 'a' }, { channel: 'b', merge: { windowMilliseconds: 7 }, access: { subscribe: 'Owner' } }, { channel: 'd' }],
    misfits: { unknownFields: 1, replacedValues: 1, unread: 2 },
  });
});

test('a private key, another kind of key, and no key are no public key', () => {
  expect(publicKeyFault(publicKeyPem)).toBeUndefined();
  expect(publicKeyFault(privateKeyPem)).toBe('this is a private key');
  expect(publicKeyFault('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----')).toBe('not a public key in PEM');
});

const drain: DrainCommand = { command: 'drain', gateway: 'uid-a', connectionsPerSecond: 200, deadlineSeconds: 540, issuedAt: 1_000_000 };

test('a command is verified as it was signed, and is for one gateway, once, and for a time', () => {
  expect(verifyCommand(signCommand(drain, privateKeyPem), publicKeyPem)).toEqual({ kind: 'verified', command: drain });
  expect(verifyCommand(signCommand(drain, stranger.privateKeyPem), publicKeyPem)).toMatchObject({ kind: 'forged' });
  const receiver = { uid: 'uid-a', lastIssuedAt: 1_000_000, now: 1_000_500 };
  expect(decideCommand(drain, receiver)).toBe('follow');
  expect(decideCommand(drain, { ...receiver, uid: 'uid-b' })).toBe('other');
  expect(decideCommand(drain, { ...receiver, lastIssuedAt: 1_000_001 })).toBe('older');
  const validUntil = drain.issuedAt + 840_000;
  expect(decideCommand(drain, { ...receiver, now: validUntil })).toBe('follow');
  expect(decideCommand(drain, { ...receiver, now: validUntil + 1 })).toBe('late');
  const abort: DrainCommand = { command: 'abort-drain', gateway: 'uid-a', issuedAt: 1_000_000 };
  expect(decideCommand(abort, { ...receiver, now: 1_300_000 })).toBe('follow');
  expect(decideCommand(abort, { ...receiver, now: 1_300_001 })).toBe('late');
});

test('a pool document is no command, and a command no pool document, though one key signs both', () => {
  expect(verifyCommand(signDocument(good, privateKeyPem), publicKeyPem)).toMatchObject({ kind: 'malformed' });
  expect(verifyDocument(signCommand(drain, privateKeyPem), publicKeyPem)).toMatchObject({ kind: 'malformed' });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changeBetween, changed, inOrder } from '../../core/pool/document-change.ts';
import { signDocument, type PoolDocument } from '../../core/pool/pool-document.ts';
import { createLogger } from '../../core/process/logging.ts';
import { Pool } from '../../core/process/pool.ts';
import { gatewayNamed, poolDocument, poolKeys } from '../support/pool-document.ts';

const keys = poolKeys();

function documentOf(epoch: number, names: readonly string[], more: Partial<PoolDocument> = {}): PoolDocument {
  return poolDocument({ epoch, gateways: inOrder(names.map((name) => gatewayNamed(name))), ...more });
}

/** The body that tells a pod with one document of the next. */
function bodyOf(from: PoolDocument, to: PoolDocument, privateKey = keys.privateKeyPem): string {
  const { signature } = JSON.parse(signDocument(to, privateKey)) as { readonly signature: string };
  return JSON.stringify({ change: changeBetween(from, to), signature, policies: [] });
}

async function poolWith(document: PoolDocument): Promise<Pool> {
  const pool = new Pool({ publicKeyPem: keys.publicKeyPem, logger: createLogger({ part: 'test', level: 'silent' }) });
  await pool.offer({ envelope: signDocument(document, keys.privateKeyPem), policies: [] });
  return pool;
}

const members = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
    weight: fc.integer({ min: 0, max: 2 }),
    state: fc.constantFrom('serving', 'draining'),
  }),
  { selector: ({ name }) => name, maxLength: 8 },
);

test('whatever comes, goes or changes: a pod makes the same document of the change, and its signature fits', async () => {
  await fc.assert(
    fc.asyncProperty(members, members, async (before, after) => {
      const of = (epoch: number, each: typeof before): PoolDocument =>
        documentOf(epoch, [], {
          gateways: inOrder(each.map(({ name, weight, state }) => gatewayNamed(name, { weight, state: state as 'serving' }))),
        });
      const [from, to] = [of(3, before), of(4, after)];
      const change = changeBetween(from, to);
      expect(change && changed(from, change)).toEqual(to);
      const pool = await poolWith(from);
      expect(await pool.offer(bodyOf(from, to))).toMatchObject({ kind: 'accepted', epoch: 4 });
      expect(pool.document).toEqual(to);
    }),
    { numRuns: 100 },
  );
});

test('one gateway that comes is one entry, however many there are', () => {
  const names = Array.from({ length: 1_000 }, (_, index) => `web-${index}`);
  const change = changeBetween(documentOf(1, names), documentOf(2, [...names, 'web-new']));
  expect(change).toEqual({ from: 1, epoch: 2, put: [gatewayNamed('web-new')], gone: [] });
});

test('where more than gateways and policies differ there is no change', () => {
  expect(changeBetween(documentOf(1, ['a']), documentOf(2, ['a'], { hashSeed: 7 }))).toBeUndefined();
  expect(changeBetween(documentOf(1, ['a']), documentOf(2, ['a'], { overrides: [{ channel: 'x:1', gateways: ['a'] }] }))).toBeUndefined();
});

test('a document whose buses differ is told whole, and one with the same buses by its change', async () => {
  const [before, after] = [
    { publishTo: 'a', listenTo: ['a', 'b'] },
    { publishTo: 'b', listenTo: ['a', 'b'] },
  ];
  const withBus = (epoch: number, bus: PoolDocument['bus'], names = ['x']): PoolDocument => documentOf(epoch, names, bus && { bus });
  expect(changeBetween(withBus(1, before), withBus(2, after))).toBeUndefined();
  expect(changeBetween(withBus(1, undefined), withBus(2, before))).toBeUndefined();
  expect(changeBetween(withBus(1, before), withBus(2, undefined))).toBeUndefined();
  const pool = await poolWith(withBus(1, before));
  expect(await pool.offer(bodyOf(withBus(1, before), withBus(2, before, ['x', 'y'])))).toMatchObject({ kind: 'accepted', epoch: 2 });
  expect(pool.document?.bus).toEqual(before);
});

test('a change of another document than the one in force changes nothing', async () => {
  const pool = await poolWith(documentOf(2, ['a']));
  const result = await pool.offer(bodyOf(documentOf(1, ['a']), documentOf(3, ['a', 'b'])));
  expect(result).toMatchObject({ kind: 'malformed', epoch: 2, message: expect.stringContaining('epoch 2') });
  // The document in force has the epoch and another content: the signature does not fit what comes out.
  expect(await pool.offer(bodyOf(documentOf(2, ['x']), documentOf(3, ['x', 'b'])))).toMatchObject({ kind: 'forged', epoch: 2 });
});

test('a change that another key signed is refused', async () => {
  const from = documentOf(1, ['a']);
  const pool = await poolWith(from);
  const body = bodyOf(from, documentOf(2, ['evil']), poolKeys().privateKeyPem);
  expect(await pool.offer(body)).toMatchObject({ kind: 'forged', epoch: 1 });
  expect(pool.document?.gateways.map(({ name }) => name)).toEqual(['a']);
});

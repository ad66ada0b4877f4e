import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { pushLimits, pushMsMax, Pushes, type Push, type PushBody, type PushLimits } from '../../../operator/reconcile/pushes.ts';
import type { Told } from '../../../operator/reconcile/told.ts';
import { settle } from '../../support/fake-clock.ts';

/** Pods that answer when the test says so. */
class Pods {
  readonly started: { readonly address: string; readonly body: PushBody; readonly msMax: number; readonly answer: (told: Told) => void }[] =
    [];
  readonly pushes: Pushes;

  constructor(limits?: PushLimits) {
    this.pushes = new Pushes((address, body, msMax) => {
      const { promise, resolve } = Promise.withResolvers<Told>();
      this.started.push({ address, body, msMax, answer: resolve });
      return promise;
    }, limits);
  }

  get addresses(): readonly string[] {
    return this.started.map(({ address }) => address);
  }

  async answer(index: number, told: Told = { kind: 'taken' }): Promise<void> {
    this.started[index]?.answer(told);
    await settle();
  }
}

function push(address: string, bytes = 10, isSlow = false): Push {
  return { address, body: [Buffer.alloc(bytes)], isSlow };
}

function many(prefix: string, count: number, isSlow = false): readonly Push[] {
  return Array.from({ length: count }, (_, index) => push(`${prefix}${index}`, 10, isSlow));
}

test('as many pushes as the bound are under way, and one more waits for the end of another', async () => {
  const pods = new Pods();
  void pods.pushes.all(many('a', pushLimits.atOnceMax));
  expect(pods.started).toHaveLength(pushLimits.atOnceMax);
  void pods.pushes.all([push('one past')]);
  expect(pods.started).toHaveLength(pushLimits.atOnceMax);
  await pods.answer(0);
  expect(pods.addresses.at(-1)).toBe('one past');
});

test('as many bytes as the bound are in flight, and one byte more waits; a larger body goes alone', async () => {
  const bytesInFlightMax = 100;
  const pods = new Pods({ ...pushLimits, bytesInFlightMax });
  void pods.pushes.all([push('a', 60), push('b', 40), push('c', 1)]);
  expect(pods.addresses).toEqual(['a', 'b']);
  await pods.answer(1);
  expect(pods.addresses).toEqual(['a', 'b', 'c']);
  void pods.pushes.all([push('large', 101), push('d', 1)]);
  await pods.answer(0);
  expect(pods.addresses).toHaveLength(3);
  await pods.answer(2);
  expect(pods.addresses).toEqual(['a', 'b', 'c', 'large']);
  await pods.answer(3);
  expect(pods.addresses.at(-1)).toBe('d');
});

test('pods that did not answer have a share of the places, so the others never wait for their time limits', async () => {
  const pods = new Pods();
  void pods.pushes.all(many('dead', 1_000, true));
  expect(pods.started).toHaveLength(pushLimits.slowAtOnceMax);
  void pods.pushes.all(many('alive', pushLimits.atOnceMax - pushLimits.slowAtOnceMax));
  expect(pods.started).toHaveLength(pushLimits.atOnceMax);
});

test('pools take turns: a large one does not delay a small one', async () => {
  const pods = new Pods();
  void pods.pushes.all(many('large', 1_000));
  void pods.pushes.all(many('small', 2));
  for (let index = 0; index < 4; index++) await pods.answer(index);
  expect(pods.addresses.slice(pushLimits.atOnceMax)).toEqual(['large32', 'small0', 'large33', 'small1']);
});

test('the time limit of a push counts from its start and grows with its bytes', async () => {
  const pods = new Pods({ ...pushLimits, atOnceMax: 1 });
  void pods.pushes.all([push('first'), push('waits', 1_048_576)]);
  // Nothing runs for a push that waits: its limit is handed over when it starts.
  expect(pods.started.map(({ msMax }) => msMax)).toEqual([pushMsMax(10)]);
  await pods.answer(0);
  expect(pods.started.map(({ msMax }) => msMax)).toEqual([2_001, 3_000]);
});

test('answers come in the order of the pushes, and the metrics tell of all', async () => {
  const pods = new Pods();
  const registry = new Registry();
  pods.pushes.export(registry);
  const answers = pods.pushes.all([push('slow', 5, true), push('a', 7), push('b', 11)]);
  const figure = async (name: string): Promise<unknown> =>
    (await registry.getSingleMetric(`barrage_operator_${name}`)?.get())?.values.map(({ value }) => value);
  expect(pods.addresses).toEqual(['a', 'b', 'slow']);
  expect([await figure('pushes_in_flight'), await figure('push_bytes_in_flight'), await figure('pushes_waiting')]).toEqual([
    [3],
    [23],
    [0],
  ]);
  await pods.answer(0);
  await pods.answer(1, { kind: 'refused', status: 403, message: '' });
  await pods.answer(2, { kind: 'silent' });
  expect((await answers).map(({ kind }) => kind)).toEqual(['silent', 'taken', 'refused']);
  expect([await figure('pushes_in_flight'), await figure('push_bytes_in_flight'), await figure('push_bytes_total')]).toEqual([
    [0],
    [0],
    [23],
  ]);
  expect(await figure('pushes_total')).toEqual([1, 1, 1]);
});

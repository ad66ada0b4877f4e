import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { ControllerTelemetry } from '../../../operator/reconcile/controller-telemetry.ts';
import { ApiError } from '../../../operator/runtime/api-error.ts';
import { Controller } from '../../../operator/runtime/controller.ts';
import type { Outcome, Reconcile } from '../../../operator/runtime/outcome.ts';
import { Random } from '../../simulation/random.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { silentJournal } from '../../support/silent-journal.ts';

/** A started controller whose reconciles are the test's. */
function startController(
  reconcile: Reconcile,
  also: { readonly workers?: number; readonly timeoutMs?: number; readonly paceMs?: number } = {},
) {
  const clock = new FakeClock();
  const registry = new Registry();
  const observer = new ControllerTelemetry(registry, silentJournal);
  const controller = new Controller({ name: 'pools', reconcile, workers: 2, clock, observer, ...also });
  controller.start();
  const metric = async (name: string): Promise<string> => await registry.getSingleMetricAsString(name);
  return { clock, controller, metric };
}

/** Reconciles that the test ends by hand. */
function openReconciles(): {
  readonly reconcile: Reconcile;
  readonly open: Map<string, (outcome: Outcome) => void>;
  readonly started: string[];
} {
  const open = new Map<string, (outcome: Outcome) => void>();
  const started: string[] = [];
  const reconcile = (key: string): Promise<Outcome> => {
    started.push(key);
    expect(open.has(key), 'the same key twice at once').toBe(false);
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    open.set(key, (outcome) => {
      open.delete(key);
      resolve(outcome);
    });
    return promise;
  };
  return { reconcile, open, started };
}

const done: Outcome = { kind: 'done' };

test('as many keys are reconciled at once as there are workers, and a thousand changes of one are two reconciles', async () => {
  const { reconcile, open, started } = openReconciles();
  const { controller, metric } = startController(reconcile);
  for (const key of ['a', 'b', 'c']) controller.enqueue(key);
  await settle();
  expect(started).toEqual(['a', 'b']);
  expect(await metric('controller_runtime_active_workers')).toContain('{controller="pools"} 2');
  expect(await metric('workqueue_depth')).toContain('{name="pools"} 1');
  for (let change = 0; change < 1000; change += 1) controller.enqueue('a');
  open.get('a')?.(done);
  await settle();
  open.get('b')?.(done);
  await settle();
  expect(started).toEqual(['a', 'b', 'c', 'a']);
  for (const end of open.values()) end(done);
  await settle();
  expect(controller.isIdle).toBe(true);
  expect(await metric('controller_runtime_reconcile_total')).toContain('{controller="pools",result="success"} 4');
});

test('the first change of a quiet key is looked at at once, those that follow together, and none is missed', async () => {
  const seen: number[] = [];
  let version = 0;
  const { clock, controller } = startController(
    () => {
      seen.push(version);
      return Promise.resolve(done);
    },
    { paceMs: 250 },
  );
  controller.enqueue('a');
  await settle();
  expect(seen).toEqual([0]);
  for (version = 1; version <= 100; version += 1) {
    controller.enqueue('a');
    await clock.advance(1, settle);
  }
  expect(seen).toEqual([0]);
  await clock.advance(150, settle);
  expect(seen).toEqual([0, 101]);
  // Quiet again: at once.
  await clock.advance(250, settle);
  controller.enqueue('a');
  await settle();
  expect(seen).toHaveLength(3);
  // Another key does not wait for this one.
  controller.enqueue('b');
  await settle();
  expect(seen).toHaveLength(4);
});

test('a change during a long reconcile is looked at when that is over', async () => {
  const { reconcile, open, started } = openReconciles();
  const { clock, controller } = startController(reconcile, { paceMs: 250 });
  controller.enqueue('a');
  await settle();
  controller.enqueue('a');
  await clock.advance(1000, settle);
  expect(started).toEqual(['a']);
  open.get('a')?.(done);
  await settle();
  expect(started).toEqual(['a', 'a']);
  open.get('a')?.(done);
});

test('each outcome has its sequel: done rests, retry-after comes back then, back-off waits longer each time', async () => {
  const outcomes: Readonly<Record<string, Outcome>> = {
    done,
    later: { kind: 'retry-after', afterMs: 30_000 },
    failing: { kind: 'back-off', cause: new ApiError('away', { status: 0, reason: 'Unreachable' }) },
  };
  const at: Record<string, number[]> = {};
  const { clock, controller, metric } = startController((key) => {
    (at[key] ??= []).push(clock.monotonic());
    return Promise.resolve(outcomes[key] ?? done);
  });
  for (const key of Object.keys(outcomes)) controller.enqueue(key);
  await clock.advance(75, settle);
  expect(at).toEqual({ done: [0], later: [0], failing: [0, 5, 15, 35, 75] });
  await clock.advance(30_000, settle);
  expect(at['later']).toEqual([0, 30_000]);
  expect(await metric('controller_runtime_reconcile_total')).toContain('{controller="pools",result="requeue_after"} 2');
  expect(await metric('controller_runtime_reconcile_panics_total')).toContain('{controller="pools"} 0');
});

test('a reconcile that throws, at once or later, is counted, tried again, and nobody else\u2019s business', async () => {
  let throwing = 2;
  const seen: string[] = [];
  const { clock, controller, metric } = startController((key) => {
    seen.push(key);
    if (key === 'bad' && throwing-- > 0) {
      if (throwing === 1) throw new TypeError('a bug');
      return Promise.reject(new TypeError('another'));
    }
    return Promise.resolve(done);
  });
  controller.enqueue('bad');
  controller.enqueue('good');
  await clock.advance(100, settle);
  expect(seen).toEqual(['bad', 'good', 'bad', 'bad']);
  expect(await metric('controller_runtime_reconcile_panics_total')).toContain('{controller="pools"} 2');
  expect(await metric('controller_runtime_reconcile_errors_total')).toContain('{controller="pools"} 2');
  expect(await metric('workqueue_retries_total')).toContain('{name="pools"} 2');
});

test('a reconcile that takes too long is told to end, and its key is tried again', async () => {
  let calls = 0;
  const { clock, controller, metric } = startController(
    async (_, signal) => {
      calls += 1;
      if (calls > 1) return done;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      throw signal.reason;
    },
    { timeoutMs: 1000 },
  );
  controller.enqueue('slow');
  await clock.advance(999, settle);
  expect(calls).toBe(1);
  await clock.advance(10, settle);
  expect(calls).toBe(2);
  expect(await metric('controller_runtime_reconcile_timeouts_total')).toContain('{controller="pools"} 1');
  expect(await metric('controller_runtime_reconcile_panics_total')).toContain('{controller="pools"} 0');
  expect(clock.pending, 'timers that are left').toBe(0);
});

test('who stops takes nothing more, waits for what is under way, and after the grace tells it to end', async () => {
  const seen: string[] = [];
  const { clock, controller } = startController(
    async (key, signal) => {
      seen.push(key);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return done;
    },
    { workers: 1 },
  );
  controller.enqueue('a');
  controller.enqueue('b');
  await settle();
  let isStopped = false;
  const stopped = controller.stop(5000).then(() => (isStopped = true));
  await clock.advance(4999, settle);
  expect(isStopped).toBe(false);
  await clock.advance(1, settle);
  await stopped;
  expect(seen).toEqual(['a']);
  expect(clock.pending).toBe(0);
});

test('keys that come before the start wait for it', async () => {
  const { reconcile, open, started } = openReconciles();
  const clock = new FakeClock();
  const controller = new Controller({
    name: 'pools',
    reconcile,
    workers: 1,
    clock,
    observer: new ControllerTelemetry(new Registry(), silentJournal),
  });
  controller.enqueue('a');
  controller.enqueue('b');
  await clock.advance(100, settle);
  expect(started).toEqual([]);
  controller.start();
  await settle();
  open.get('a')?.(done);
  await settle();
  expect(started).toEqual(['a', 'b']);
});

test('whatever happens when, no key is reconciled twice at once and the last change of each is seen (seeds 1 to 50)', async () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = new Random(seed);
    const world = new Map<string, number>();
    const seen = new Map<string, number>();
    const running = new Set<string>();
    const { clock, controller } = startController(
      async (key) => {
        expect(running.has(key), `seed ${seed}`).toBe(false);
        running.add(key);
        const read = world.get(key) ?? 0;
        await new Promise<void>((resolve) => clock.after(random.below(20), resolve));
        running.delete(key);
        if (random.chance(0.2)) throw new Error('a bug');
        if (random.chance(0.2)) return { kind: 'back-off', cause: undefined };
        seen.set(key, read);
        return random.chance(0.1) ? { kind: 'retry-after', afterMs: 5 } : done;
      },
      { workers: 3 },
    );
    for (let change = 0; change < 60; change += 1) {
      const key = `key-${random.below(6)}`;
      world.set(key, change);
      controller.enqueue(key);
      await clock.advance(random.below(8), settle);
    }
    await clock.advance(60_000, settle);
    expect(seen, `seed ${seed}`).toEqual(world);
    expect(controller.isIdle).toBe(true);
  }
});

test('reconciles without a request share no turn of the loop longer than it may be, and all of them come', async () => {
  const begun: string[] = [];
  const { clock, controller } = startController((key) => {
    begun.push(key);
    // CPU of the reconcile.
    clock.time += 6;
    return Promise.resolve(done);
  });
  for (let index = 0; index < 100; index += 1) controller.enqueue(`live/${index}`);
  await settle();
  expect(begun.length).toBeLessThanOrEqual(4);
  await clock.advance(1_000, settle);
  expect(begun).toHaveLength(100);
});

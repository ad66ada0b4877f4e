import { expect, onTestFinished, test } from 'vitest';
import { objectPath, resources } from '../../../operator/kube/resources.ts';
import { defaultReflectorTimes } from '../../../operator/kube/reflector.ts';
import { Store, type Change } from '../../../operator/kube/store.ts';
import { systemClock } from '../../../core/process/system-clock.ts';
import type { Clock } from '../../../core/clock.ts';
import { pause } from '../../../operator/runtime/deadline.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';
import type { Fault, SeenRequest } from '../../support/fault-proxy.ts';
import { Random } from '../../simulation/random.ts';
import { accelerated, configMap, eventually, fastTimes, openRig, reflectConfigMaps, type ConfigMap, type Rig } from './rig.ts';

const seed = Number(process.env['BARRAGE_TEST_SEED'] ?? Math.floor(Math.random() * 1e9));

const isWatch = ({ verb }: SeenRequest): boolean => verb === 'watch';
const isList = ({ verb }: SeenRequest): boolean => verb === 'list';

function versions(objects: readonly KubeObject[]): readonly string[] {
  return objects.map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`).toSorted();
}

async function truth(rig: Rig): Promise<readonly string[]> {
  return versions(await rig.direct.list(resources.configMap, { namespace: rig.namespace, labelSelector: 'made=by-test' }));
}

/** Runs something for each of many, a few at a time. */
async function each<T>(items: readonly T[], run: (item: T) => Promise<unknown>): Promise<void> {
  const waiting = items.values();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const item of waiting) await run(item);
    }),
  );
}

async function addConfigMaps(rig: Rig, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, index) => `map-${index}`);
  await each(names, (name) => rig.direct.create(resources.configMap, configMap(rig.namespace, name)));
}

test('a store is filled in pages, follows changes without another list, and has no managed fields', async () => {
  const rig = await openRig();
  await addConfigMaps(rig, 25);
  const changes: Change<ConfigMap>[] = [];
  const store = new Store<ConfigMap>({ failed: () => {} });
  store.onChange((change) => changes.push(change));
  const { reflector } = reflectConfigMaps(rig, { store, pageSize: 10 });
  await reflector.synced;
  expect(versions(store.all())).toEqual(await truth(rig));
  expect(rig.proxy.seen(isList)).toHaveLength(3);
  await rig.direct.apply(resources.configMap, configMap(rig.namespace, 'map-3', { word: 'new' }));
  await rig.direct.delete(resources.configMap, { namespace: rig.namespace, name: 'map-4' });
  await eventually(() => store.size === 24 && store.get(`${rig.namespace}/map-3`)?.data?.['word'] === 'new');
  expect(changes.slice(25).map(({ kind }) => kind)).toEqual(['updated', 'deleted']);
  expect(changes[25]).toMatchObject({ current: { data: { word: 'new' } }, previous: { metadata: { name: 'map-3' } } });
  expect(rig.proxy.seen(isList)).toHaveLength(3);
  expect(JSON.stringify(store.all())).not.toContain('managedFields');
  expect(store.all().every(({ metadata }) => typeof metadata.creationTimestamp === 'string')).toBe(true);
});

test('watches ask for bookmarks and for times that differ', async () => {
  const rig = await openRig();
  const { reflector } = reflectConfigMaps(rig);
  await reflector.synced;
  await eventually(() => rig.proxy.openWatches === 1);
  for (const watches of [2, 3, 4]) {
    rig.proxy.cutWatches();
    await eventually(() => rig.proxy.seen(isWatch).length === watches && rig.proxy.openWatches === 1);
  }
  const asked = rig.proxy.seen(isWatch).map(({ path }) => new URL(path, 'https://localhost').searchParams);
  expect(asked.every((query) => query.get('allowWatchBookmarks') === 'true')).toBe(true);
  const seconds = asked.map((query) => Number(query.get('timeoutSeconds')));
  expect(seconds.every((each) => each >= 300 && each <= 600)).toBe(true);
  expect(new Set(seconds).size).toBeGreaterThan(1);
});

test('a cut watch is resumed where it was: nothing is missed and nothing is listed', async () => {
  const rig = await openRig();
  const { store, reflector } = reflectConfigMaps(rig);
  await reflector.synced;
  await eventually(() => rig.proxy.openWatches === 1);
  rig.proxy.fault = (request) => (isWatch(request) ? { kind: 'status', code: 500 } : undefined);
  rig.proxy.cutWatches();
  await addConfigMaps(rig, 3);
  await eventually(() => rig.proxy.seen(isWatch).length > 4);
  expect(store.size).toBe(0);
  rig.proxy.fault = () => undefined;
  await eventually(() => store.size === 3);
  expect(rig.proxy.seen(isList)).toHaveLength(1);
  expect(reflector.figures().failures).toBeGreaterThan(3);
});

test('a server that asks the watcher for time gets it', async () => {
  const rig = await openRig();
  const { reflector } = reflectConfigMaps(rig);
  await reflector.synced;
  await eventually(() => rig.proxy.openWatches === 1);
  const askedAt: number[] = [];
  rig.proxy.fault = (request) => {
    if (!isWatch(request)) return undefined;
    askedAt.push(performance.now());
    return askedAt.length <= 3 ? { kind: 'status', code: 500 } : { kind: 'status', code: 429, retryAfterSeconds: 1 };
  };
  rig.proxy.cutWatches();
  await eventually(() => askedAt.length === 5);
  expect((askedAt[4] ?? 0) - (askedAt[3] ?? 0)).toBeGreaterThanOrEqual(1000);
});

test.each([
  ['told in the watch', (rig: Rig) => rig.proxy.expireWatches()],
  [
    'told at its start',
    (rig: Rig) => {
      let left = 1;
      rig.proxy.fault = (request): Fault | undefined => (isWatch(request) && left-- > 0 ? { kind: 'status', code: 410 } : undefined);
      rig.proxy.cutWatches();
    },
  ],
] as const)('a watch that is too old, %s, begins with a list again', async (_, expire) => {
  const rig = await openRig();
  const { store, reflector } = reflectConfigMaps(rig);
  await reflector.synced;
  await eventually(() => rig.proxy.openWatches === 1);
  expire(rig);
  await eventually(() => rig.proxy.seen(isList).length === 2 && rig.proxy.openWatches === 1);
  await addConfigMaps(rig, 1);
  await eventually(() => store.size === 1);
});

test('a list that is older than what is known is refused', async () => {
  const rig = await openRig();
  await addConfigMaps(rig, 3);
  const { store, reflector } = reflectConfigMaps(rig);
  await reflector.synced;
  await rig.direct.delete(resources.configMap, { namespace: rig.namespace, name: 'map-0' });
  await eventually(() => store.size === 2);
  const sizes: number[] = [];
  store.onChange(() => sizes.push(store.size));
  let left = 3;
  rig.proxy.fault = (request) => (isList(request) && left-- > 0 ? { kind: 'stale' } : undefined);
  rig.proxy.expireWatches();
  await eventually(() => left < 0 && rig.proxy.openWatches === 1);
  expect(versions(store.all())).toEqual(await truth(rig));
  expect(Math.max(0, ...sizes), 'a deleted object was back for a while').toBeLessThan(3);
});

test('who is ended while it lists opens no watch, and ends at once while it watches', async () => {
  const rig = await openRig();
  rig.proxy.fault = (request) => (isList(request) ? { kind: 'latency', ms: 200 } : undefined);
  const first = reflectConfigMaps(rig);
  await eventually(() => rig.proxy.seen(isList).length === 1);
  await first.stop();
  rig.proxy.fault = () => undefined;
  const second = reflectConfigMaps(rig);
  await second.reflector.synced;
  await eventually(() => rig.proxy.openWatches === 1);
  await second.stop();
  await eventually(() => rig.proxy.openWatches === 0);
  expect(rig.proxy.seen(isWatch)).toHaveLength(1);
});

test('a listener that throws loses nothing for the others', async () => {
  const rig = await openRig();
  const failures: unknown[] = [];
  const store = new Store<ConfigMap>({ failed: (error) => failures.push(error) });
  const seen: string[] = [];
  store.onChange(() => {
    throw new Error('a bug');
  });
  store.onChange(({ key }) => seen.push(key));
  const { reflector } = reflectConfigMaps(rig, { store });
  await reflector.synced;
  await addConfigMaps(rig, 2);
  await eventually(() => seen.length === 2);
  expect(failures).toHaveLength(2);
  expect(reflector.figures().failures).toBe(0);
});

test('a watch of which nothing is heard is given up and resumed', async () => {
  const rig = await openRig();
  const { reflector } = reflectConfigMaps(rig, { times: { ...fastTimes, quietMs: 100 } });
  await reflector.synced;
  await eventually(() => rig.proxy.seen(isWatch).length >= 3);
  expect(rig.proxy.seen(isList)).toHaveLength(1);
});

test('everything is listed again from time to time, and every object is told once more', async () => {
  const rig = await openRig();
  await addConfigMaps(rig, 2);
  const store = new Store<ConfigMap>({ failed: () => {} });
  const resyncs: string[] = [];
  store.onChange(({ kind, key }) => kind === 'resync' && resyncs.push(key));
  const { reflector } = reflectConfigMaps(rig, { store, times: { ...fastTimes, quietMs: 300, relistMs: 100 } });
  await reflector.synced;
  await eventually(() => resyncs.length >= 4);
  expect(rig.proxy.seen(isList).length).toBeGreaterThan(2);
});

test(`two thousand ConfigMaps through every fault end up as a list has them (seed ${seed})`, { timeout: 180_000 }, async () => {
  const random = new Random(seed);
  const rig = await openRig();
  await addConfigMaps(rig, 2000);
  rig.proxy.fault = (request) => {
    if (random.chance(0.6)) return undefined;
    if (isList(request) && random.chance(0.3)) return { kind: 'stale' };
    return random.pick<Fault>([
      { kind: 'latency', ms: random.below(50) },
      { kind: 'status', code: 500 },
      { kind: 'status', code: 429, retryAfterSeconds: 0.02 },
      { kind: 'status', code: 410 },
      { kind: 'cut' },
    ]);
  };
  const { store, reflector } = reflectConfigMaps(rig, { random: random.fraction });
  const breaking = setInterval(() => (random.chance(0.7) ? rig.proxy.cutWatches() : rig.proxy.expireWatches()), 150);
  onTestFinished(() => clearInterval(breaking));
  const names = Array.from({ length: 600 }, () => `map-${random.below(2000)}`);
  await each([...[...new Set(names)].entries()], async ([step, name]) => {
    if (step % 3 === 0) await rig.direct.delete(resources.configMap, { namespace: rig.namespace, name });
    else await rig.direct.apply(resources.configMap, configMap(rig.namespace, name, { step: String(step) }));
  });
  clearInterval(breaking);
  await reflector.synced;
  const expected = await truth(rig);
  await eventually(() => versions(store.all()).join() === expected.join());
  expect(reflector.figures().failures).toBeGreaterThan(0);
});

test('an API server that is away for a minute, and was changed meanwhile, is caught up with', async () => {
  const fast = accelerated(10);
  const waits: number[] = [];
  const clock: Clock = { ...fast, after: (ms, run) => (waits.push(ms), fast.after(ms, run)) };
  const rig = await openRig({ clock: fast });
  await addConfigMaps(rig, 50);
  const { store, reflector } = reflectConfigMaps(rig, { clock, times: { ...defaultReflectorTimes, quietMs: 36_000_000 } });
  await reflector.synced;
  await eventually(() => rig.proxy.openWatches === 1);
  rig.proxy.outage();
  waits.length = 0;
  const awayAt = fast.monotonic();
  const isOver = pause(fast, 60_000);
  await each(
    Array.from({ length: 30 }, (_, index) => index),
    (index) =>
      index % 2 === 0
        ? rig.direct.delete(resources.configMap, { namespace: rig.namespace, name: `map-${index}` })
        : rig.direct.apply(resources.configMap, configMap(rig.namespace, `map-${index}`, { word: 'new' })),
  );
  await isOver;
  expect(store.size, 'what is known is kept while nobody answers').toBe(50);
  expect(reflector.figures().failures, 'attempts to reach it').toBeLessThan((fast.monotonic() - awayAt) / 1500);
  const { unreachableCapMs, beginMs } = defaultReflectorTimes;
  expect(Math.max(...waits.filter((ms) => ms < beginMs)), 'milliseconds between two attempts').toBeLessThanOrEqual(unreachableCapMs);
  rig.proxy.restore();
  await eventually(() => rig.proxy.openWatches === 1);
  const expected = await truth(rig);
  await eventually(() => versions(store.all()).join() === expected.join());
  expect(rig.proxy.seen(isList)).toHaveLength(1);
});

test.each([
  ['of which nothing is heard', (rig: Rig) => rig.proxy.outage('silent'), 0],
  [
    'that can do nothing',
    (rig: Rig) => {
      rig.proxy.fault = () => ({ kind: 'status', code: 503 });
      rig.proxy.cutWatches();
    },
    2,
  ],
] as const)('an API server %s for a minute is watched again as soon as anybody is answered', async (_, begin, failures) => {
  const clock = accelerated(10);
  const rig = await openRig({ clock, timeoutMs: 5000 });
  // Longer than the test would wait: nothing but the return ends them.
  const times = { ...defaultReflectorTimes, quietMs: 36_000_000, backoff: { baseMs: 1_000_000, capMs: 2_000_000 } };
  const { store, reflector } = reflectConfigMaps(rig, { clock, random: () => 0, times });
  await reflector.synced;
  await eventually(() => rig.proxy.openWatches === 1);
  begin(rig);
  const isOver = pause(clock, 60_000);
  const asking = new AbortController();
  // What an election does all the time.
  const asked = (async () => {
    const path = objectPath(resources.configMap, { namespace: rig.namespace, name: 'none' });
    while (!asking.signal.aborted) {
      await rig.client.request({ verb: 'get', path, signal: asking.signal }).catch(() => {});
      await pause(clock, 2000, asking.signal);
    }
  })();
  onTestFinished(async () => {
    asking.abort();
    await asked;
  });
  await addConfigMaps(rig, 3);
  await isOver;
  expect([store.size, reflector.figures().failures]).toEqual([0, failures]);
  rig.proxy.restore();
  rig.proxy.fault = () => undefined;
  await eventually(() => store.size === 3);
  expect(rig.proxy.seen(isList)).toHaveLength(1);
});

test('a watch that is not answered is given up and asked for again', async () => {
  const rig = await openRig();
  let left = 1;
  rig.proxy.fault = (request) => (isWatch(request) && left-- > 0 ? { kind: 'latency', ms: 600_000 } : undefined);
  const { store } = reflectConfigMaps(rig, { times: { ...fastTimes, beginMs: 200 } });
  await eventually(() => rig.proxy.openWatches === 1);
  await addConfigMaps(rig, 1);
  await eventually(() => store.size === 1);
});

test('a server that is back, and can not do everything yet, is asked again as soon as after its first failure', async () => {
  const rig = await openRig();
  const waits: number[] = [];
  const clock: Clock = { ...systemClock, after: (ms, run) => (waits.push(ms), systemClock.after(ms, run)) };
  const times = { ...fastTimes, backoff: { baseMs: 1, capMs: 1 << 20 }, unreachableCapMs: 2 };
  const { reflector } = reflectConfigMaps(rig, { clock, times });
  await reflector.synced;
  rig.proxy.fault = (request) => (isWatch(request) ? { kind: 'cut' } : undefined);
  rig.proxy.cutWatches();
  await eventually(() => reflector.figures().failures > 30);
  let left = 4;
  rig.proxy.fault = (request) => (isWatch(request) && left-- > 0 ? { kind: 'status', code: 403 } : undefined);
  waits.length = 0;
  await eventually(() => rig.proxy.openWatches === 1);
  expect(Math.max(...waits.filter((ms) => ms < fastTimes.beginMs))).toBeLessThanOrEqual(16);
});

test('until everything was listed once a reflector says what it waits for, and why', async () => {
  const rig = await openRig();
  rig.proxy.fault = (request) => (isList(request) ? { kind: 'status', code: 403 } : undefined);
  const { reflector } = reflectConfigMaps(rig);
  expect(reflector.waitingFor).toBe('configmaps to be listed');
  await eventually(() => reflector.waitingFor?.includes('injected by the test'));
  rig.proxy.fault = () => undefined;
  await reflector.synced;
  expect(reflector.waitingFor).toBeUndefined();
});

test('a converged reflector asks for nothing but its watch', async () => {
  const rig = await openRig();
  await addConfigMaps(rig, 5);
  const { reflector } = reflectConfigMaps(rig);
  await reflector.synced;
  await eventually(() => rig.proxy.openWatches === 1);
  const before = rig.proxy.seen().length;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(rig.proxy.seen().length - before).toBe(0);
});

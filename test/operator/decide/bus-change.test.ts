import { expect, test } from 'vitest';
import {
  awayMs,
  decideBusChange,
  leavingDelayMs,
  type BusChange,
  type BusChangeInput,
  type BusUser,
} from '../../../operator/decide/bus-change.ts';
import { Random } from '../../simulation/random.ts';

const fresh = { movedSince: undefined, awaySince: undefined };
const known = new Set(['a', 'b', 'c']);

function decide(input: Partial<BusChangeInput>): BusChange {
  return decideBusChange({
    wanted: 'b',
    stored: { publishTo: 'a', listenTo: ['a'] },
    known,
    users: [],
    memory: fresh,
    now: 0,
    ...input,
  });
}

/** A process that publishes to the first bus and listens to all. A bus that is down has a `!` after it. */
function user(name: string, ...buses: readonly string[]): BusUser {
  const listening = buses.map((bus) => ({ id: bus.slice(0, 1), up: !bus.endsWith('!') }));
  return { name, publishTo: buses[0]?.slice(0, 1), listening, isCutOff: buses[0]?.endsWith('!') ?? true };
}

test('a pool without a document, or on the bus of its document, has nothing to do', () => {
  for (const change of [decide({ stored: undefined }), decide({ stored: { publishTo: 'b', listenTo: ['b'] }, users: [user('p', 'b')] })])
    expect(change).toMatchObject({
      stage: 'settled',
      buses: { publishTo: 'b', listenTo: ['b'] },
      pods: { main: 'b', previous: undefined },
      events: [],
    });
  expect(decide({ wanted: undefined })).toMatchObject({ stage: 'settled', buses: undefined, pods: undefined });
});

test('until all listen to the new bus, all publish to the old one, and new pods listen to both', () => {
  const joining = { stage: 'joining', buses: { publishTo: 'a', listenTo: ['a', 'b'] }, pods: { main: 'b', previous: 'a' } };
  const begun = decide({ users: [user('old', 'a')] });
  expect(begun).toMatchObject({ ...joining, waitingFor: ['old'] });
  expect(begun.events.map(({ reason }) => reason)).toEqual(['BusChangeStarted']);
  const stored = { publishTo: 'a', listenTo: ['a', 'b'] };
  const later = decide({ stored, users: [user('new', 'a', 'b'), user('late', 'a', 'b!'), user('older')] });
  expect(later).toMatchObject({ ...joining, waitingFor: ['late', 'older'], events: [] });
});

test('once all listen to both, they are told to publish to the new one; all who did so for a while leave the old one', () => {
  const both = { publishTo: 'a', listenTo: ['a', 'b'] };
  const moved = decide({ stored: both, users: [user('one', 'a', 'b'), user('two', 'a!', 'b')] });
  expect(moved).toMatchObject({
    stage: 'moving',
    buses: { publishTo: 'b', listenTo: ['b', 'a'] },
    events: [{ type: 'Normal', reason: 'BusMoved' }],
  });
  const stored = moved.buses;
  const waiting = decide({ stored, users: [user('one', 'b', 'a'), user('two', 'a', 'b')], now: 1 });
  expect(waiting).toMatchObject({ stage: 'moving', buses: stored, waitingFor: ['two'], memory: fresh, pods: { main: 'b', previous: 'a' } });
  const users = [user('one', 'b', 'a'), user('two', 'b', 'a')];
  const all = decide({ stored, users, now: 100 });
  expect(all).toMatchObject({ stage: 'moving', buses: stored, memory: { movedSince: 100 }, reviewAfterMs: leavingDelayMs });
  expect(decide({ stored, users, memory: all.memory, now: 99 + leavingDelayMs }).buses).toEqual(stored);
  const left = decide({ stored, users, memory: all.memory, now: 100 + leavingDelayMs });
  expect(left).toMatchObject({ stage: 'leaving', buses: { publishTo: 'b', listenTo: ['b'] }, events: [{ reason: 'BusChanged' }] });
  const closing = decide({ stored: left.buses, users });
  expect(closing).toMatchObject({ stage: 'leaving', waitingFor: ['one', 'two'], pods: { main: 'b', previous: undefined } });
  expect(decide({ stored: left.buses, users: [user('one', 'b')] })).toMatchObject({ stage: 'settled' });
});

test('the spec may name the old bus again at any time', () => {
  const wanted = 'a';
  const joining = decide({ wanted, stored: { publishTo: 'a', listenTo: ['a', 'b'] }, users: [user('new', 'a', 'b!')] });
  expect(joining).toMatchObject({ stage: 'moving', buses: { publishTo: 'a' }, memory: { movedSince: 0 } });
  const moving = decide({ wanted, stored: { publishTo: 'b', listenTo: ['b', 'a'] }, users: [user('one', 'b', 'a')] });
  expect(moving).toMatchObject({ stage: 'moving', buses: { publishTo: 'a', listenTo: ['a', 'b'] } });
  const leaving = decide({ wanted, stored: { publishTo: 'b', listenTo: ['b'] }, users: [user('one', 'b')] });
  expect(leaving).toMatchObject({ stage: 'joining', buses: { publishTo: 'b', listenTo: ['b', 'a'] } });
});

test('a third bus waits until the change to the second is over; before anybody published to the second, it takes its place', () => {
  const wanted = 'c';
  const early = decide({
    wanted,
    stored: { publishTo: 'a', listenTo: ['a', 'b'] },
    users: [user('new', 'a', 'b')],
    memory: { movedSince: 0, awaySince: undefined },
    now: leavingDelayMs,
  });
  expect(early).toMatchObject({ stage: 'leaving', buses: { publishTo: 'a', listenTo: ['a'] }, events: [] });
  const late = decide({ wanted, stored: { publishTo: 'b', listenTo: ['b', 'a'] }, users: [user('one', 'b', 'a')] });
  expect(late).toMatchObject({ stage: 'moving', buses: { publishTo: 'b', listenTo: ['b', 'a'] }, pods: { main: 'b', previous: 'a' } });
});

test('a pool whose old bus is away from everybody for ten seconds moves without it, and says so', () => {
  const stored = { publishTo: 'a', listenTo: ['a', 'b'] };
  const users = [user('old', 'a!'), user('new', 'a!', 'b')];
  const begun = decide({ stored, users, now: 7 });
  expect(begun).toMatchObject({ stage: 'joining', memory: { awaySince: 7 }, reviewAfterMs: awayMs });
  expect(decide({ stored, users, memory: begun.memory, now: 6 + awayMs }).stage).toBe('joining');
  const forced = decide({ stored, users, memory: begun.memory, now: 7 + awayMs });
  expect(forced).toMatchObject({ stage: 'moving', buses: { publishTo: 'b' }, events: [{ type: 'Warning', reason: 'BusMoveForced' }] });
  // As of a Cluster of which one master is away.
  const limping = users.map((each) => ({ ...each, isCutOff: false }));
  expect(decide({ stored, users: limping, memory: begun.memory, now: 7 + awayMs }).stage).toBe('joining');
  const back = decide({ stored, users: [user('old', 'a'), user('new', 'a!', 'b')], memory: begun.memory, now: 7 + awayMs });
  expect(back).toMatchObject({ stage: 'joining', memory: { awaySince: undefined } });
  const nowhere = decide({ stored, users: [user('old', 'a!'), user('new', 'a!', 'b!')], memory: begun.memory, now: 7 + awayMs });
  expect(nowhere).toMatchObject({ stage: 'joining', memory: { awaySince: undefined } });
});

test('a bus whose settings are lost is left at once: with a warning where somebody still listens to it', () => {
  const input = { known: new Set(['b']) };
  expect(decide({ ...input, users: [user('old', 'a')] })).toMatchObject({
    stage: 'moving',
    pods: { main: 'b', previous: undefined },
    events: [{ reason: 'BusMoveForced' }],
  });
  expect(decide(input)).toMatchObject({ stage: 'moving', events: [{ reason: 'BusMoved' }] });
});

/** A pool whose users take documents late, and are replaced one by one. */
class Pool {
  readonly random: Random;
  wanted = 'a';
  now = 0;
  document = { publishTo: 'a', listenTo: ['a'] as readonly string[] };
  #memory = fresh as BusChange['memory'];
  #pods: BusChange['pods'] = { main: 'a', previous: undefined };
  #users: { name: string; has: readonly string[]; took: { publishTo: string; listenTo: readonly string[] } }[] = [];
  #made = 0;
  #stage: BusChange['stage'] = 'settled';

  constructor(seed: number) {
    this.random = new Random(seed);
    for (let index = 0; index < 4; index++) this.#add();
  }

  get isSettled(): boolean {
    return this.#stage === 'settled' && this.document.publishTo === this.wanted;
  }

  step(): void {
    this.now += 500;
    for (const each of this.#users) if (this.random.below(3) === 0) each.took = this.document;
    const old = this.#users.find(({ has }) => has[0] !== this.#pods?.main);
    if (old !== undefined && this.random.below(4) === 0) {
      this.#add();
      this.#users.splice(this.#users.indexOf(old), 1);
    }
    const change = decideBusChange({
      wanted: this.wanted,
      stored: this.document,
      known,
      users: this.#users.map((each) => this.#told(each)),
      memory: this.#memory,
      now: this.now,
    });
    [this.document, this.#pods, this.#memory, this.#stage] = [change.buses ?? this.document, change.pods, change.memory, change.stage];
  }

  /** Names of publishers whose publications some process would not hear. */
  unheard(): readonly string[] {
    return this.#users.flatMap((from) => {
      const { publishTo = '' } = this.#told(from);
      return this.#users
        .filter((to) => !this.#told(to).listening.some(({ id }) => id === publishTo))
        .map((to) => `${from.name} at ${publishTo} by ${to.name}`);
    });
  }

  #told({ name, has, took }: { name: string; has: readonly string[]; took: { publishTo: string; listenTo: readonly string[] } }): BusUser {
    const listening = has.filter((bus) => took.listenTo.includes(bus)).map((id) => ({ id, up: true }));
    return { name, publishTo: has.includes(took.publishTo) ? took.publishTo : '', listening, isCutOff: false };
  }

  #add(): void {
    const { main = 'a', previous } = this.#pods ?? {};
    this.#made += 1;
    this.#users.push({ name: `p${this.#made}`, has: previous === undefined ? [main] : [main, previous], took: this.document });
  }
}

test('whatever the spec names, and whenever: every publication is heard by every process, and the pool settles', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const pool = new Pool(seed);
    for (let steps = 0; steps < 400; steps++) {
      if (steps < 200 && pool.random.below(25) === 0) pool.wanted = ['a', 'b', 'c'][pool.random.below(3)] ?? 'a';
      pool.step();
      expect(pool.unheard(), `seed ${seed}, step ${steps}, ${JSON.stringify(pool.document)}`).toEqual([]);
    }
    expect(pool.isSettled, `seed ${seed}`).toBe(true);
  }
});

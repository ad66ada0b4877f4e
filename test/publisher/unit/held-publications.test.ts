import { expect, test } from 'vitest';
import { BusUnavailable, type BusState } from '../../../core/bus/bus.ts';
import { publisherBounds } from '../../../publisher/bounds.ts';
import { HeldPublications } from '../../../publisher/held-publications.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const away: BusState = { up: false, reason: 'away' };

/** A bus that is up or away, with a log of texts. */
class World {
  readonly clock = new FakeClock();
  readonly published: string[] = [];
  readonly answers: string[] = [];
  /** The error of an append, whatever the state says. */
  error: BusUnavailable | undefined;
  attempts = 0;
  #state: BusState = { up: true };
  #onChange: (state: BusState) => void = () => undefined;
  readonly held: HeldPublications;

  constructor() {
    const bus = { state: () => this.#state, onStateChange: (listener: (state: BusState) => void) => void (this.#onChange = listener) };
    this.held = new HeldPublications({ bus, clock: this.clock });
  }

  become(state: BusState): void {
    this.#state = state;
    this.#onChange(state);
  }

  publish(text: string, holdMs = 1000, { channel = 'c', isRepeatable = false } = {}): void {
    const append = async (): Promise<string> => {
      this.attempts += 1;
      if (this.error !== undefined) throw this.error;
      if (!this.#state.up) throw new BusUnavailable('away');
      this.published.push(text);
      return text;
    };
    this.held.publish({ channel, publications: 1, bytes: text.length, holdMs, isRepeatable }, append).then(
      (answer) => this.answers.push(answer),
      (error: BusUnavailable) => this.answers.push(`${text}: ${error.trouble}${error.mayBeDone ? ', perhaps published' : ''}`),
    );
  }
}

test('a bus that is up is asked at once, and nothing is held', async () => {
  const world = new World();
  world.publish('a');
  expect(world.published).toEqual(['a']);
  await world.clock.advance(0);
  expect(world.held.counts).toEqual({ published: 0, refused: 0, full: 0 });
  expect(world.clock.pending).toBe(0);
});

test('what is published while the bus is away goes when it is back, in order, before what comes then', async () => {
  const world = new World();
  world.become(away);
  for (const text of ['a', 'b', 'c']) world.publish(text);
  await world.clock.advance(500);
  expect([world.attempts, world.held.size]).toEqual([0, { publications: 3, bytes: 3 }]);
  world.become({ up: true });
  world.publish('d');
  await world.clock.advance(100);
  expect(world.published).toEqual(['a', 'b', 'c', 'd']);
  expect(world.answers).toEqual(['a', 'b', 'c', 'd']);
  expect([world.held.size, world.held.counts]).toEqual([
    { publications: 0, bytes: 0 },
    { published: 4, refused: 0, full: 0 },
  ]);
  await world.clock.advance(100);
  expect(world.clock.pending).toBe(0);
});

test('a channel whose policy does not let it wait is refused at once, also while others wait', async () => {
  const world = new World();
  world.become(away);
  world.publish('waits');
  world.publish('does not', 0);
  await world.clock.advance(0);
  expect(world.answers).toEqual(['does not: away']);
});

test('what has waited its time is refused, and the rest waits on', async () => {
  const world = new World();
  world.become(away);
  world.publish('short', 300);
  await world.clock.advance(200);
  world.publish('long', 1000);
  await world.clock.advance(99);
  expect(world.answers).toEqual([]);
  await world.clock.advance(1);
  expect(world.answers).toEqual(['short: away']);
  world.become({ up: true });
  await world.clock.advance(0);
  expect(world.answers).toEqual(['short: away', 'long']);
  expect(world.held.counts).toEqual({ published: 1, refused: 1, full: 0 });
});

test.each([
  new BusUnavailable('late', { trouble: 'late', mayBeDone: true }),
  new BusUnavailable('broke', { mayBeDone: true }),
  new BusUnavailable('full', { trouble: 'full' }),
  new BusUnavailable('OOM', { trouble: 'memory' }),
])('what may have been published, or fails for another reason, does not wait: $message', async (error) => {
  const world = new World();
  world.error = error;
  world.publish('a');
  await world.clock.advance(0);
  expect([world.attempts, world.answers]).toEqual([1, [`a: ${error.trouble}${error.mayBeDone ? ', perhaps published' : ''}`]]);
});

test('what may have been published waits if it has a key', async () => {
  const world = new World();
  world.error = new BusUnavailable('late', { trouble: 'late', mayBeDone: true });
  world.publish('a', 1000, { isRepeatable: true });
  await world.clock.advance(0);
  expect([world.attempts, world.answers]).toEqual([1, []]);
  world.error = undefined;
  await world.clock.advance(100);
  expect(world.answers).toEqual(['a']);
});

test('what has a key and may have been published is repeated also where nothing waits by policy, and answered as published', async () => {
  const world = new World();
  world.error = new BusUnavailable('broke', { mayBeDone: true });
  world.publish('a', 0, { isRepeatable: true });
  await world.clock.advance(publisherBounds.repeatMsMax - 150);
  expect(world.answers).toEqual([]);
  world.error = undefined;
  await world.clock.advance(100);
  expect([world.published, world.answers]).toEqual([['a'], ['a']]);
  await world.clock.advance(100);
  expect(world.clock.pending).toBe(0);
});

test('what may have been published is never refused as unpublished, whatever became of its repetitions', async () => {
  const world = new World();
  world.error = new BusUnavailable('broke', { mayBeDone: true });
  world.publish('a', 0, { isRepeatable: true });
  world.publish('waits by policy', 500, { isRepeatable: true, channel: 'd' });
  await world.clock.advance(0);
  world.error = undefined;
  world.become(away);
  await world.clock.advance(publisherBounds.repeatMsMax - 1);
  expect(world.answers).toEqual([]);
  await world.clock.advance(1);
  expect(world.answers).toEqual(['a: away, perhaps published', 'waits by policy: away, perhaps published']);
  // Without an attempt nothing can have been published, and nothing waits that the policy does not let wait.
  world.publish('b', 0, { isRepeatable: true });
  await world.clock.advance(0);
  expect(world.answers.at(-1)).toBe('b: away');
});

test('what may have been published and finds no room to wait is told so', async () => {
  const world = new World();
  world.error = new BusUnavailable('no master');
  world.publish('x'.repeat(publisherBounds.heldBytesMax), 1000, { channel: 'd' });
  await world.clock.advance(0);
  world.error = new BusUnavailable('broke', { mayBeDone: true });
  world.publish('a', 0, { isRepeatable: true });
  await world.clock.advance(0);
  expect(world.answers).toEqual(['a: full, perhaps published']);
});

test('where the master of one channel is away the first one of it is tried alone until it goes', async () => {
  const world = new World();
  world.error = new BusUnavailable('no master');
  for (const text of ['a', 'b', 'c']) world.publish(text);
  await world.clock.advance(0);
  expect(world.attempts).toBe(3);
  await world.clock.advance(300);
  expect(world.attempts).toBe(6);
  world.error = undefined;
  await world.clock.advance(100);
  expect(world.published).toEqual(['a', 'b', 'c']);
});

test('as many wait as may, and the next one is refused as one too many', async () => {
  const world = new World();
  world.become(away);
  for (let index = 0; index < publisherBounds.heldPublicationsMax; index++) world.publish('x', 1000, { channel: `channel ${index % 7}` });
  await world.clock.advance(0);
  expect(world.answers).toEqual([]);
  world.publish('one more');
  await world.clock.advance(0);
  expect(world.answers).toEqual(['one more: full']);
  world.become({ up: true });
  await world.clock.advance(100);
  expect(world.published).toHaveLength(publisherBounds.heldPublicationsMax);
  expect(world.held.counts.full).toBe(1);

  world.become(away);
  world.publish('x'.repeat(publisherBounds.heldBytesMax));
  world.publish('y');
  await world.clock.advance(0);
  expect(world.answers.at(-1)).toBe('y: full');
});

test('a publisher that leaves refuses what waits, and lets nothing wait any more', async () => {
  const world = new World();
  world.become(away);
  world.publish('a');
  await world.clock.advance(0);
  world.held.leave();
  world.publish('b');
  await world.clock.advance(0);
  expect(world.answers.toSorted()).toEqual(['a: away', 'b: away']);
  await world.clock.advance(100);
  expect(world.clock.pending).toBe(0);
});

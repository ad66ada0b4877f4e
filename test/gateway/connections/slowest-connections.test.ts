import { expect, test } from 'vitest';
import { SlowestConnections } from '../../../gateway/connections/slowest-connections.ts';
import { FakeClock } from '../../support/fake-clock.ts';

interface Waiting {
  readonly id: number;
  readonly waitingBytes: number;
  isClosed: boolean;
}

function connectionsOf(bytes: readonly number[]): Map<number, Waiting> {
  return new Map(bytes.map((waitingBytes, id) => [id, { id, waitingBytes, isClosed: false }]));
}

test('the ten with the most waiting bytes are found, the most first; without waiting bytes nobody is', () => {
  const connections = connectionsOf(Array.from({ length: 1_000 }, (_, index) => (index % 2 === 0 ? 0 : (index * 37) % 1_009)));
  const slowest = new SlowestConnections({ connections, clock: new FakeClock(), onSlice() {} });
  slowest.walk();
  const expected = [...connections.values()]
    .filter(({ waitingBytes }) => waitingBytes > 0)
    .toSorted((one, other) => other.waitingBytes - one.waitingBytes);
  expect(slowest.found.map(({ waitingBytes }) => waitingBytes)).toEqual(expected.slice(0, 10).map(({ waitingBytes }) => waitingBytes));
  expect(slowest.waiting).toBe(500);
  const calm = new SlowestConnections({ connections: connectionsOf([0, 0]), clock: new FakeClock(), onSlice() {} });
  calm.walk();
  expect(calm.found).toEqual([]);
});

test('a walk over very many goes in slices, a second one waits for its end, and who has closed is left out', async () => {
  const clock = new FakeClock();
  const slices: number[] = [];
  let looks = 0;
  const connections = new Map(
    Array.from({ length: 1_000 }, (_, id) => [
      id,
      {
        isClosed: false,
        get waitingBytes() {
          looks++;
          clock.time += 0.1;
          return id;
        },
      },
    ]),
  );
  const slowest = new SlowestConnections({ connections, clock, onSlice: (milliseconds) => slices.push(milliseconds) });
  slowest.walk();
  slowest.walk();
  expect([slowest.found, looks < 1_000]).toEqual([[], true]);
  await clock.advance(1_000);
  expect(looks).toBe(1_000);
  expect(slices.length).toBeGreaterThan(10);
  expect(Math.max(...slices)).toBeLessThan(20);
  expect(slowest.found.map(({ waitingBytes }) => waitingBytes)).toEqual([999, 998, 997, 996, 995, 994, 993, 992, 991, 990]);
  const [first] = slowest.found;
  if (first !== undefined) first.connection.isClosed = true;
  expect(slowest.found).toHaveLength(9);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commentModes, type CommentMode } from '../../../client/demo/comment.ts';
import { Lanes, stayMs } from '../../../client/demo/lanes.ts';

const stage = { width: 800, height: 480, durationMs: 8000 };

interface Placed {
  readonly mode: CommentMode;
  readonly width: number;
  readonly height: number;
  readonly y: number;
  readonly startedAt: number;
}

/** Where a comment is at a time, as the library moves it. */
function horizontal(placed: Placed, now: number): readonly [left: number, right: number] {
  const travelled = ((stage.width + placed.width) * (now - placed.startedAt)) / stage.durationMs;
  if (placed.mode === 'scroll') return [stage.width - travelled, stage.width - travelled + placed.width];
  return [travelled - placed.width, travelled];
}

function meet(a: Placed, b: Placed, now: number): boolean {
  if (a.y >= b.y + b.height || b.y >= a.y + a.height) return false;
  const stands = (placed: Placed): boolean => placed.mode === 'top' || placed.mode === 'bottom';
  if (stands(a) !== stands(b)) return false;
  if (stands(a)) return true;
  const [aLeft, aRight] = horizontal(a, now);
  const [bLeft, bRight] = horizontal(b, now);
  return aLeft < bRight - 0.01 && bLeft < aRight - 0.01;
}

const request = fc.record({
  mode: fc.constantFrom(...commentModes),
  width: fc.integer({ min: 10, max: 1600 }),
  height: fc.integer({ min: 12, max: 90 }),
  waitMs: fc.integer({ min: 0, max: 400 }),
});

test('whatever is placed never meets another of its layer, from entry to exit', () => {
  fc.assert(
    fc.property(fc.array(request, { minLength: 2, maxLength: 120 }), (requests) => {
      const lanes = new Lanes(stage);
      let now = 0;
      let placed: Placed[] = [];
      for (const { waitMs, ...asked } of requests) {
        now += waitMs;
        placed = placed.filter(({ mode, startedAt }) => now - startedAt < stayMs(mode, stage.durationMs));
        const y = lanes.place(asked, now);
        if (y === undefined) continue;
        expect(y).toBeGreaterThanOrEqual(0);
        expect(y + asked.height).toBeLessThanOrEqual(stage.height + 4);
        const entered = { ...asked, y, startedAt: now };
        for (const other of placed) {
          // Two in uniform motion meet first at the entry of one, at the exit of one, or at some time between: look at
          // all three.
          const leaves = Math.min(other.startedAt + stayMs(other.mode, stage.durationMs), now + stayMs(asked.mode, stage.durationMs));
          for (const share of [0, 0.25, 0.5, 0.75, 0.999]) expect(meet(other, entered, now + (leaves - now) * share)).toBe(false);
        }
        placed.push(entered);
      }
    }),
    { numRuns: 300 },
  );
});

test('a full zone refuses, and takes again when the tail of what is there has come in', () => {
  const lanes = new Lanes({ width: 400, height: 40, durationMs: 4000 });
  const asked = { mode: 'scroll', width: 100, height: 28 } as const;
  expect(lanes.place(asked, 0)).toBe(0);
  expect(lanes.place(asked, 500)).toBeUndefined();
  // 100 wide and 24 apart at (400 + 100) pixels in 4 s: free after 992 ms.
  expect(lanes.place(asked, 991)).toBeUndefined();
  expect(lanes.place(asked, 993)).toBe(0);
});

test('a wide and therefore faster comment waits until it cannot catch up the one before it', () => {
  const lanes = new Lanes({ width: 400, height: 40, durationMs: 4000 });
  expect(lanes.place({ mode: 'scroll', width: 40, height: 28 }, 0)).toBe(0);
  // 400 / (400 + 1200) of 4 s: its head is at the left edge after 1 s, when the first must have left.
  expect(lanes.place({ mode: 'scroll', width: 1200, height: 28 }, 2990)).toBeUndefined();
  expect(lanes.place({ mode: 'scroll', width: 1200, height: 28 }, 3001)).toBe(0);
});

test('a change of speed keeps what has been travelled', () => {
  const lanes = new Lanes({ width: 400, height: 40, durationMs: 4000 });
  const asked = { mode: 'scroll', width: 100, height: 28 } as const;
  lanes.place(asked, 0);
  lanes.retime(8000, 900);
  // 900 of 4,000 ms are 1,800 of 8,000; free at 1,984.
  expect(lanes.place(asked, 900 + 180)).toBeUndefined();
  expect(lanes.place(asked, 900 + 190)).toBe(0);
});

test('what is taller than its zone never has a place', () => {
  const lanes = new Lanes({ width: 400, height: 40, durationMs: 4000 });
  expect(lanes.place({ mode: 'reverse', width: 10, height: lanes.heightMax('reverse') + 4 }, 0)).toBeUndefined();
  expect(new Lanes({ width: 0, height: 0, durationMs: 4000 }).place({ mode: 'top', width: 1, height: 1 }, 0)).toBeUndefined();
});

test('places over others take turns within the zone, and change nothing for those that overlap nothing', () => {
  const lanes = new Lanes(stage);
  const request = (mode: CommentMode) => ({ mode, width: 200, height: 40 });
  const tops = (mode: CommentMode, count: number) => Array.from({ length: count }, () => lanes.overlapping(request(mode)));
  expect(tops('scroll', 10)).toEqual([0, 40, 80, 120, 160, 200, 240, 280, 320, 0]);
  for (const mode of commentModes) {
    const low = mode === 'reverse' ? 360 : mode === 'bottom' ? 288 : 0;
    const high = mode === 'scroll' ? 360 : mode === 'top' ? 192 : 480;
    for (const y of tops(mode, 20)) expect(y >= low && y + 40 <= high, `${mode} ${y}`).toBe(true);
  }
  expect(lanes.place(request('scroll'), 0)).toBe(0);
});

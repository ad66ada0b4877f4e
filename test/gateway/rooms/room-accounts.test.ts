import fc from 'fast-check';
import { expect, test } from 'vitest';
import { policyFileSchema } from '../../../core/policy/policy.ts';
import { densities, type MemberClass } from '../../../gateway/encoding/encoding.ts';
import { plainEncoding, v1Encoding } from '../../../gateway/encoding/encodings.ts';
import type { ClassCut, Cut, Missing } from '../../../gateway/merging/cut.ts';
import { Merger } from '../../../gateway/merging/merger.ts';
import { anyPublication, logBatch, moment } from '../../support/publications.ts';

const anyPolicy = fc.record({
  merge: fc.record({ windowMilliseconds: fc.constantFrom(0, 20, 100), publicationsMax: fc.constantFrom(1, 3, 500) }),
  budget: fc.record({ publicationsPerSecond: fc.constantFrom(1, 7, 60) }, { requiredKeys: [] }),
});
const memberClasses = [plainEncoding.classAt('full'), ...densities.map((density) => v1Encoding.classAt(density))];
const anyStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('receive' as const), publications: fc.array(anyPublication, { minLength: 1, maxLength: 12 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), count: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resubscribe' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('epoch' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stretch' as const), factor: fc.constantFrom(0.3, 1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('write' as const), cuts: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hold' as const), at: fc.constantFrom(1, 2, Infinity) }) },
);

/** What one member of a class knows: every batch joins on, and adds up. */
class Listener {
  epoch = 'e0';
  upto = 0;
  told = 0;
  holes = 0;

  take(epoch: string, { after, upto, leftOut, items, send }: ClassCut): void {
    if (!send) return;
    if (epoch !== this.epoch || after !== this.upto) {
      expect(epoch !== this.epoch || after > this.upto).toBe(true);
      this.holes += epoch === this.epoch ? after - this.upto : 0;
    }
    expect(items.length + leftOut).toBe(upto - after);
    let last = after;
    for (const { offset } of items) {
      expect(offset).toBeGreaterThan(last);
      expect(offset).toBeLessThanOrEqual(upto);
      last = offset;
    }
    this.epoch = epoch;
    this.upto = upto;
    this.told += upto - after;
  }
}

test('whatever comes, each class is told of every offset once: sent, left out, or missing where the bus lost it', () => {
  fc.assert(
    fc.property(anyPolicy, fc.array(anyStep, { maxLength: 60 }), (fields, steps) => {
      const [policy] = policyFileSchema.parse({ channels: [{ channel: 'c', ...fields }] }).channels;
      if (policy === undefined) throw new Error('no policy');
      const room = new Merger({ policy, position: { epoch: 'e0', offset: 0 } });
      const listeners = new Map<MemberClass, Listener>();
      for (const memberClass of memberClasses) {
        room.openClass(memberClass, 0);
        listeners.set(memberClass, new Listener());
      }
      let [now, end, lost, epoch] = [0, 0, 0, 0];
      let received = 0;
      let underWay = 0;
      const write = (cuts: number): void => {
        for (let left = cuts; left > 0 && underWay > 0; left--) {
          underWay--;
          take(room.written(moment(now)));
        }
      };
      const take = (events: readonly (Cut | Missing)[]): void => {
        for (const event of events) {
          if (event.kind === 'missing') continue;
          underWay++;
          expect(event.offered.reduce((sum, count) => sum + count, 0)).toBe(event.upto - event.after);
          expect(event.classes.length).toBe(memberClasses.length);
          for (const cut of event.classes) {
            expect((cut.dropped?.total ?? 0) + cut.items.length).toBe(event.upto - event.after);
            listeners.get(cut.memberClass)?.take(event.epoch, cut);
          }
        }
      };
      const runTo = (until: number): void => {
        for (let due = room.dueAt; due !== undefined && due <= until; due = room.dueAt) take(room.tick(moment(Math.max(now, due))));
        now = until;
      };
      for (const step of steps) {
        if (step.do === 'receive') {
          take(room.receive(logBatch(end + 1, step.publications, `e${epoch}`), moment(now)));
          end += step.publications.length;
          received += step.publications.length;
        } else if (step.do === 'wait') runTo(now + step.ms);
        else if (step.do === 'lose') {
          end += step.count;
          lost += step.count;
        } else if (step.do === 'resubscribe') take(room.resubscribed({ epoch: `e${epoch}`, offset: end }, moment(now)));
        else if (step.do === 'epoch') {
          epoch++;
          end = 0;
        } else if (step.do === 'write') write(step.cuts);
        else if (step.do === 'hold') room.setUnderWayMax(step.at);
        else room.setCadence({ windowMs: 40, budgetFactor: step.factor });
      }
      runTo(now + 5000);
      write(Infinity);
      runTo(now + 5000);
      expect(room.dueAt).toBeUndefined();
      for (const [memberClass, listener] of listeners) {
        expect(listener.told, memberClass.density).toBe(received);
        expect(listener.holes).toBeLessThanOrEqual(lost);
      }
    }),
    { numRuns: 500 },
  );
});

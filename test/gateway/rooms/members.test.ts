import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemberList, type Member } from '../../../gateway/rooms/members.ts';

/** Of a member the list uses its place only. */
function member(): Member {
  return { active: true, index: -1 } as Partial<Member> as Member;
}

test('a lent list stays as it was while members come and go', () => {
  const list = new MemberList();
  const [a, b, c] = [member(), member(), member()];
  list.add(a);
  list.add(b);
  const lent = list.lend();
  list.remove(a);
  list.add(c);
  expect(lent).toEqual([a, b]);
  expect([...list]).toEqual([b, c]);
  expect(list.lend()).not.toBe(lent);
});

test('any coming and going, lent or not, leaves those who are there, each at its place', () => {
  const step = fc.record({ do: fc.constantFrom('add', 'add', 'remove', 'lend'), at: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const list = new MemberList();
      const model: Member[] = [];
      const lent: (readonly [now: readonly Member[], then: readonly Member[]])[] = [];
      for (const { do: what, at } of steps) {
        if (what === 'lend') {
          const members = list.lend();
          lent.push([members, members.slice()]);
        } else if (what === 'add') {
          const one = member();
          model.push(one);
          list.add(one);
        } else if (model.length > 0) {
          const [gone] = model.splice(at % model.length, 1);
          if (gone !== undefined) list.remove(gone);
        }
        expect(new Set(list)).toEqual(new Set(model));
        expect(list.size).toBe(model.length);
        for (const [index, one] of [...list].entries()) expect(one.index).toBe(index);
      }
      for (const [now, then] of lent) {
        expect(now.length).toBe(then.length);
        expect(now.every((one, index) => one === then[index])).toBe(true);
      }
    }),
  );
});

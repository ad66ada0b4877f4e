import { describe, expect, test } from 'vitest';
import { faultsOf } from '../checker.ts';
import type { Absence, ChannelRules, Entry, Incident, Item, Journal, KeptHistory, Publication, RoundRecord } from '../record.ts';

const first = 'aaaaaabbbbbbbb';
const second = 'cccccceeeeeeee';

function published(number: number, more: Partial<Publication> = {}): Publication {
  const position = { epoch: first, offset: number };
  return {
    number,
    channel: 'c',
    priority: 'normal',
    isKeyed: false,
    conflation: undefined,
    words: '',
    sentAt: number * 1000,
    answeredAt: number * 1000 + 10,
    fate: 'yes',
    position,
    ...more,
  };
}

/** A batch of the publications whose numbers are their offsets, or of these items. */
function batch(after: number, upto: number, items?: readonly Item[], epoch = first): Entry {
  const all = Array.from({ length: upto - after }, (_, index): Item => [after + index + 1, after + index + 1]);
  return { kind: 'batch', at: upto * 1000, epoch, after, upto, items: items ?? all };
}

function gap(from: number, to: number, more: Partial<Extract<Entry, { kind: 'gap' }>> = {}): Entry {
  const [start, end] = [from, to].map((offset) => ({ epoch: first, offset }));
  return { kind: 'gap', at: to * 1000, from: start, to: end!, reason: 'missed', ...more };
}

interface Told {
  readonly entries: readonly Entry[];
  readonly publications?: readonly Publication[];
  readonly rules?: Partial<ChannelRules>;
  readonly journal?: Partial<Journal>;
  readonly incidents?: readonly Incident[];
  readonly absences?: readonly Absence[];
  readonly others?: readonly Journal[];
  readonly earlier?: readonly Publication[];
  readonly histories?: readonly KeptHistory[];
  readonly overloads?: readonly number[];
}

const five = [1, 2, 3, 4, 5].map((number) => published(number));
const anyTime = { from: 0, to: 1e9 };
const ofBus: Incident = { what: 'redis-cut', connections: false, bus: true, data: false, ...anyTime };
const ofConnections: Incident = { what: 'gateway-kill', connections: true, bus: false, data: false, ...anyTime };
const ofData: Incident = { what: 'redis-lose', connections: false, bus: true, data: true, ...anyTime };

function journalOf(entries: readonly Entry[], more: Partial<Journal> = {}): Journal {
  return {
    viewer: 'v',
    channel: 'c',
    start: { epoch: first, offset: 0 },
    entries,
    isThinned: false,
    isPulled: false,
    isWhole: true,
    ...more,
  };
}

/** The kinds of the faults that the checker finds. */
function kinds({
  entries,
  publications = five,
  rules,
  journal,
  incidents = [],
  absences = [],
  others = [],
  earlier = [],
  histories = [],
  overloads = [],
}: Told): readonly string[] {
  const record: RoundRecord = {
    publications,
    earlier,
    histories,
    journals: [journalOf(entries, journal), ...others],
    absences,
    incidents,
    overloads,
    channels: [{ name: 'c', history: false, budget: false, ...rules }],
  };
  return faultsOf(record).map(({ kind }) => kind);
}

test('what came once, in order and whole is no fault', () => {
  expect(kinds({ entries: [batch(0, 2), batch(2, 5)] })).toEqual([]);
});

describe('each kind of fault is found', () => {
  test.each<[string, readonly string[], Told]>([
    ['a hole that was not told', ['jump', 'untold'], { entries: [batch(0, 2), batch(3, 5)] }],
    ['what comes again', ['jump', 'twice', 'twice'], { entries: [batch(0, 3), batch(1, 5)] }],
    ['a number at two offsets', ['contradiction', 'twice', 'misplaced'], { entries: [batch(0, 5, [[1, 1], [2, 2], [3, 3], [4, 3], [5, 5]])] }], // prettier-ignore
    ['another order within a batch', ['order'], { entries: [batch(0, 5, [[1, 1], [3, 3], [2, 2], [4, 4], [5, 5]])] }], // prettier-ignore
    ['an offset outside of the span', ['order', 'left-out'], { entries: [batch(0, 4, [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5]]), batch(4, 5, [])] }], // prettier-ignore
    ['the end is missing', ['untold', 'untold'], { entries: [batch(0, 3)] }],
    ['something left out that nothing stands for', ['left-out'], { entries: [batch(0, 5, [[1, 1], [2, 2], [4, 4], [5, 5]])] }], // prettier-ignore
    ['a gap without a cause', ['gap-unexplained'], { entries: [batch(0, 2), gap(2, 3), batch(3, 5)] }],
    ['a gap that begins elsewhere', ['gap-span'], { entries: [batch(0, 2), gap(1, 3), batch(3, 5)], incidents: [ofBus] }],
    ['a gap that leads back', ['gap-span', 'jump', 'left-out'], { entries: [batch(0, 5), gap(5, 3), batch(4, 5, [])], incidents: [ofBus] }],
    ['a gap in a channel with a history', ['gap-unexplained'], { entries: [batch(0, 2), gap(2, 3), batch(3, 5)], incidents: [ofBus], rules: { history: true } }], // prettier-ignore
    ['a gap by a reconnect of a viewer that was never away', ['gap-unexplained'], { entries: [batch(0, 2), gap(2, 3, { reason: 'reconnect' }), batch(3, 5)], incidents: [ofConnections] }], // prettier-ignore
  ])('%s', (_, expected, told) => {
    expect(kinds(told)).toEqual(expected);
  });

  test('what its sender was told is not published', () => {
    const refused = published(3, { fate: 'no', position: undefined });
    expect(kinds({ entries: [batch(0, 5)], publications: five.with(2, refused) })).toEqual(['refused']);
  });

  test('what nobody published to this channel', () => {
    const elsewhere = published(3, { channel: 'd' });
    expect(kinds({ entries: [batch(0, 5)], publications: five.with(2, elsewhere) })).toEqual(['stranger']);
  });

  test('a place that two publications were given', () => {
    const same = published(4, { position: { epoch: first, offset: 3 } });
    expect(kinds({ entries: [batch(0, 3), batch(3, 5, [[5, 5]])], publications: five.with(3, same) })).toContain('place-twice');
  });

  test('two viewers that are given different publications of one place', () => {
    const unknown = [1, 2].map((number) => published(number, { fate: 'unknown', position: undefined }));
    const other = journalOf([batch(0, 1, [[1, 2]])], { viewer: 'w' });
    expect(kinds({ entries: [batch(0, 1, [[1, 1]])], publications: unknown, others: [other] })).toEqual(['contradiction']);
  });

  test('an order that is not the publishers’', () => {
    const late = published(1, { sentAt: 90_000, answeredAt: 90_010 });
    expect(kinds({ entries: [batch(0, 5)], publications: five.with(0, late) })).toContain('publish-order');
  });

  test('a history with a hole, with something else, or without what was accepted', () => {
    const found = (items: readonly Item[]): readonly string[] =>
      kinds({ entries: [batch(0, 5)], histories: [{ channel: 'c', epoch: first, items, recalls: [] }] });
    expect(found([[1, 1], [2, 2], [3, 3], [4, 4], [5, 5]])).toEqual([]); // prettier-ignore
    expect(found([[3, 3], [4, 4], [5, 5]])).toEqual([]); // prettier-ignore
    expect(found([[2, 2], [4, 4], [5, 5]])).toEqual(['history', 'history']); // prettier-ignore
    expect(found([[4, 4]])).toEqual(['history']);
    expect(found([[4, 4], [5, 6]])).toEqual(['history', 'history']); // prettier-ignore
  });

  describe('of a recall', () => {
    const target = five[1]!;
    const recall = published(4, { recalls: [{ number: 2, position: target.position! }], isKeyed: true });
    const publications = five.with(3, recall);
    const told = (offsets: readonly number[]): Entry => ({ kind: 'recall', at: 4000, epoch: first, offset: 4, offsets });
    const rest = batch(3, 5, [[5, 5]]);

    test('that was told, of something that came before or was left out', () => {
      expect(kinds({ entries: [batch(0, 3), told([2]), rest], publications })).toEqual([]);
      expect(kinds({ entries: [told([2]), batch(0, 5, [[1, 1], [3, 3], [5, 5]])], publications })).toEqual([]); // prettier-ignore
    });

    test('that was not told', () => {
      expect(kinds({ entries: [batch(0, 3), rest], publications })).toEqual(['left-out']);
      expect(kinds({ entries: [batch(0, 3), rest], publications, rules: { budget: true } })).toEqual(['left-out']);
    });

    test('of which something came in spite of it', () => {
      expect(kinds({ entries: [told([2]), batch(0, 5, [[1, 1], [2, 2], [3, 3], [5, 5]])], publications })).toEqual(['recalled']); // prettier-ignore
    });

    test('of something else', () => {
      expect(kinds({ entries: [batch(0, 3), told([3]), rest], publications })).toEqual(['recalled']);
    });

    test('in a history', () => {
      const found = (items: readonly Item[], recalls: readonly number[] = [4]): readonly string[] =>
        kinds({
          entries: [batch(0, 3), told([2]), rest],
          publications,
          histories: [{ channel: 'c', epoch: first, items, recalls }],
        });
      expect(found([[1, 1], [3, 3], [5, 5]])).toEqual([]); // prettier-ignore
      expect(found([[1, 1], [2, 2], [3, 3], [5, 5]])).toEqual(['history']); // prettier-ignore
      expect(found([[1, 1], [3, 3], [5, 5]], [])).toEqual(['history', 'history']); // prettier-ignore
    });
  });

  test('a sum that is too small, or too large', () => {
    const liked = five.map((each) => ({ ...each, conflation: { key: 'like', mode: 'Sum', count: 2 } as const }));
    expect(kinds({ entries: [batch(0, 5, [[5, 5, 10]])], publications: liked })).toEqual([]);
    expect(kinds({ entries: [batch(0, 5, [[5, 5, 8]])], publications: liked })).toEqual(['sum']);
    expect(kinds({ entries: [batch(0, 5, [[5, 5, 12]])], publications: liked })).toEqual(['sum']);
  });

  test('a budget that leaves out the higher priority', () => {
    const high = five.with(2, published(3, { priority: 'high' }));
    const entries = [batch(0, 5, [[1, 1], [4, 4]])]; // prettier-ignore
    expect(kinds({ entries, publications: five, rules: { budget: true } })).toEqual([]);
    expect(kinds({ entries, publications: high, rules: { budget: true } })).toEqual(['left-out']);
    expect(kinds({ entries, publications: high, journal: { isThinned: true } })).toEqual(['left-out']);
  });
});

describe('what is not promised is no fault', () => {
  test('a gap that was announced, by what was done', () => {
    expect(kinds({ entries: [batch(0, 2), gap(2, 3), batch(3, 5)], incidents: [ofBus] })).toEqual([]);
  });

  test('a gap of a viewer that had no connection', () => {
    const absences = [{ viewer: 'v', from: 2000, to: 3000, why: [] }];
    const entries = [batch(0, 2), gap(2, 3, { reason: 'reconnect' }), batch(3, 5)];
    expect(kinds({ entries, incidents: [ofConnections], absences })).toEqual([]);
    expect(kinds({ entries, incidents: [ofConnections], absences, rules: { history: true } })).toEqual(['gap-unexplained']);
  });

  test('a gap from an order in which nothing came, and which goes on after the one that did', () => {
    const third = 'ffffffgggggggg';
    const from = { epoch: second, offset: 3 };
    const told = (offset: number): Entry => ({
      kind: 'gap',
      at: 6000,
      from: { ...from, offset },
      to: { epoch: third, offset: 0 },
      reason: 'epoch',
    });
    expect(kinds({ entries: [batch(0, 3), told(3)], incidents: [ofData] })).toEqual([]);
    expect(kinds({ entries: [batch(0, 3), told(4)], incidents: [ofData] })).toContain('gap-span');
  });

  test('a gap long after its cause is a fault again', () => {
    const incident = { ...ofBus, to: 1000 };
    const entries = [batch(0, 2), gap(2, 3, { at: 60_000 }), batch(3, 5)];
    expect(kinds({ entries, incidents: [incident] })).toEqual(['gap-unexplained']);
  });

  test('a reader that pulls learns later of another order, and of nothing else', () => {
    const incident = { ...ofBus, data: true, to: 1000 };
    const told = (at: number, reason: string): readonly Entry[] => [batch(0, 2), gap(2, 3, { at, reason }), batch(3, 5)];
    const journal = { isPulled: true };
    expect(kinds({ entries: told(45_000, 'epoch'), incidents: [incident], journal })).toEqual([]);
    expect(kinds({ entries: told(47_000, 'epoch'), incidents: [incident], journal })).toEqual(['gap-unexplained']);
    expect(kinds({ entries: told(45_000, 'missed'), incidents: [incident], journal })).toEqual(['gap-unexplained']);
    expect(kinds({ entries: told(45_000, 'epoch'), incidents: [incident] })).toEqual(['gap-unexplained']);
  });

  test('an unknown publication that came, or did not', () => {
    const unknown = published(3, { fate: 'unknown', position: undefined });
    expect(kinds({ entries: [batch(0, 5)], publications: five.with(2, unknown) })).toEqual([]);
    const without = [1, 2, 4, 5].map((number, index) => published(number, { position: { epoch: first, offset: index + 1 } }));
    const entries = [
      batch(
        0,
        4,
        without.map(({ number }, index): Item => [index + 1, number]),
      ),
    ];
    expect(kinds({ entries, publications: [...without, unknown] })).toEqual([]);
  });

  test('a viewer that begins with the newest gets some of an earlier round', () => {
    const begin: Entry = { kind: 'begin', at: 2500, position: { epoch: first, offset: 1 } };
    const [old, ...round] = five.slice(1);
    expect(kinds({ entries: [begin, batch(1, 5)], journal: { start: undefined }, publications: round, earlier: [five[0]!, old!] })).toEqual(
      [],
    );
  });

  test('what an overloaded gateway left out', () => {
    const entries = [batch(0, 5, [[1, 1], [2, 2], [4, 4], [5, 5]])]; // prettier-ignore
    expect(kinds({ entries, overloads: [4_000] })).toEqual([]);
    expect(kinds({ entries, overloads: [60_000] })).toEqual(['left-out']);
  });

  test('a later publication stands for those with its key', () => {
    const latest = five.map((each) => ({ ...each, conflation: { key: 'score', mode: 'Latest', count: 1 } as const }));
    expect(kinds({ entries: [batch(0, 5, [[5, 5]])], publications: latest })).toEqual([]);
    expect(kinds({ entries: [batch(0, 5, [[4, 4]])], publications: latest })).toEqual(['left-out']);
  });

  test('another order that goes on at the same offset', () => {
    const continued = five.with(4, published(5, { position: { epoch: second, offset: 5 } }));
    const entries = [batch(0, 3), batch(3, 5, undefined, second)];
    expect(kinds({ entries, publications: continued })).toEqual([]);
  });

  test('one that was left out of the order that continues its own, though another viewer got it there', () => {
    const liked = [4, 5].map((offset) => published(offset, { conflation: { key: 'like', mode: 'Sum', count: 1 } }));
    const publications = [...five.slice(0, 3), liked[0]!, { ...liked[1]!, position: { epoch: second, offset: 5 } }];
    const puller = journalOf([batch(0, 3), batch(3, 5, [[4, 4, 1], [5, 5, 1]], second)], { viewer: 'w' }); // prettier-ignore
    expect(kinds({ entries: [batch(0, 3), batch(3, 5, [[5, 5, 2]], second)], publications, others: [puller] })).toEqual([]);
  });

  test('a gap after a stall of the machine, and one that is told the later for it', () => {
    const stalled: Incident = { what: 'stall', connections: true, bus: true, data: false, from: 10_000, to: 40_000 };
    const entries = [batch(0, 2), gap(2, 3, { at: 50_000 }), batch(3, 5)];
    expect(kinds({ entries, incidents: [stalled] })).toEqual([]);
    expect(kinds({ entries, incidents: [stalled], rules: { history: true } })).toEqual(['gap-unexplained']);
    const lost = { ...ofData, from: 0, to: 5_000 };
    expect(kinds({ entries, incidents: [lost], rules: { history: true } })).toEqual(['gap-unexplained']);
    expect(kinds({ entries, incidents: [lost, stalled], rules: { history: true } })).toEqual([]);
  });

  test('what a promotion lost is gone, and nothing else', () => {
    const replaced = [...five.slice(0, 4), published(6, { position: { epoch: second, offset: 4 } })];
    const entries = [batch(0, 3), batch(3, 4, [[4, 6]], second)];
    expect(kinds({ entries, publications: replaced, incidents: [ofData] })).toEqual([]);
    expect(kinds({ entries, publications: replaced, incidents: [ofBus] })).toEqual(['untold']);
  });

  test('what two promotions lost, published again in an order beside its own, is gone for who left both below it', () => {
    const third = 'ffffffgggggggg';
    const again = published(5, { isKeyed: true, position: { epoch: second, offset: 4 } });
    const publications = [...five.slice(0, 3), again, published(6, { position: { epoch: third, offset: 4 } })];
    const others = [journalOf([batch(0, 3), batch(3, 4, [[4, 5]])])];
    const told = (offset: number): readonly Entry[] => [
      batch(0, 3),
      gap(3, 3, { to: { epoch: second, offset }, reason: 'epoch' }),
      batch(offset, 4, [[4, 6]], third),
    ];
    expect(kinds({ entries: told(3), publications, others, incidents: [ofData] })).toEqual([]);
    expect(
      kinds({ entries: told(3), publications: publications.map((each) => ({ ...each, isKeyed: false })), others, incidents: [ofData] }),
    ).toContain('untold');
  });

  test('a viewer that comes in the middle gets what comes after it', () => {
    const begin: Entry = { kind: 'begin', at: 2500, position: { epoch: first, offset: 2 } };
    const journal = { start: undefined };
    expect(kinds({ entries: [begin, batch(2, 5)], journal })).toEqual([]);
    expect(kinds({ entries: [begin, batch(2, 4)], journal })).toEqual(['untold']);
    expect(kinds({ entries: [begin, batch(2, 4)], journal: { ...journal, isWhole: false } })).toEqual([]);
  });
});

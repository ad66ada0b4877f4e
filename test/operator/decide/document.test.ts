import fc from 'fast-check';
import { expect, test } from 'vitest';
import { epochsReserved, membersWriteMs, nextDocument, reservedBy, type DocumentDecisionInput } from '../../../operator/decide/document.ts';

const content = (members: string, rest = 'policies') => ({ members, rest });
const numbered = (epoch: number, members: string, rest?: string) => ({ epoch, ...content(members, rest) });

/** By an operator whose ConfigMap is as it wrote it. */
function byOwner(about: {
  readonly stored: DocumentDecisionInput['stored'];
  readonly newest?: NonNullable<DocumentDecisionInput['stored']>;
  readonly sinceWriteMs?: number;
  readonly wants: DocumentDecisionInput['content'];
  readonly known?: readonly number[];
}) {
  const { stored, newest = stored, sinceWriteMs = 0, wants, known = [] } = about;
  if (stored === undefined || newest === undefined) throw new Error('an owner has written');
  const own = { newest, sinceWriteMs };
  return nextDocument({ stored, reservedUntil: reservedBy(stored.epoch), own, content: wants, knownEpochs: known });
}

/** By an operator that finds what another one wrote. */
function byOther(stored: DocumentDecisionInput['stored'], wants: DocumentDecisionInput['content'], knownEpochs: readonly number[] = []) {
  const reservedUntil = stored === undefined ? 0 : reservedBy(stored.epoch);
  return nextDocument({ stored, reservedUntil, own: undefined, content: wants, knownEpochs });
}

test('a right document that is stored and that nobody is ahead of is kept, whoever wrote it', () => {
  expect(byOwner({ stored: numbered(4, 'a'), wants: content('a'), known: [3, 4, 0] })).toEqual({ kind: 'keep', epoch: 4 });
  expect(byOther(numbered(4, 'a'), content('a'), [3, 4, 0])).toEqual({ kind: 'keep', epoch: 4 });
});

test('the first document is written with epoch 1, or behind all that pods know', () => {
  expect(byOther(undefined, content('a'))).toEqual({ kind: 'write', epoch: 1 });
  expect(byOther(undefined, content('a'), [9])).toEqual({ kind: 'write', epoch: 9 + 2 * epochsReserved });
});

test('a change of members is written after a pause, and else pushed now and written when the pause is over', () => {
  const stored = numbered(4, 'a');
  expect(byOwner({ stored, wants: content('b'), sinceWriteMs: membersWriteMs })).toEqual({ kind: 'write', epoch: 5 });
  const pushed = byOwner({ stored, wants: content('b'), sinceWriteMs: 1_000 });
  expect(pushed).toEqual({ kind: 'push', epoch: 5, writeAfterMs: membersWriteMs - 1_000 });
  const newest = numbered(5, 'b');
  expect(byOwner({ stored, newest, wants: content('b'), sinceWriteMs: 4_000, known: [5] })).toEqual({
    kind: 'keep',
    epoch: 5,
    writeAfterMs: membersWriteMs - 4_000,
  });
  expect(byOwner({ stored, newest, wants: content('b'), sinceWriteMs: membersWriteMs })).toEqual({ kind: 'write', epoch: 5 });
  // Back to the stored members: pods have another document meanwhile.
  expect(byOwner({ stored, newest, wants: content('a'), sinceWriteMs: 4_000 })).toMatchObject({ kind: 'push', epoch: 6 });
});

test('other policies, another bus, seed or key are written before they are pushed, at once', () => {
  const stored = numbered(4, 'a');
  expect(byOwner({ stored, wants: content('a', 'other'), sinceWriteMs: 1 })).toEqual({ kind: 'write', epoch: 5 });
  // With members that the ConfigMap does not have yet.
  expect(byOwner({ stored, newest: numbered(6, 'b'), wants: content('b', 'other'), sinceWriteMs: 1 })).toEqual({ kind: 'write', epoch: 7 });
});

test('who did not write the ConfigMap begins behind the epochs that are reserved there', () => {
  expect(byOther(numbered(4, 'a'), content('b'))).toEqual({ kind: 'write', epoch: 4 + epochsReserved });
  // Pods have a document that the ConfigMap never had.
  expect(byOther(numbered(4, 'a'), content('a'), [7])).toEqual({ kind: 'write', epoch: 4 + epochsReserved });
  // The ConfigMap was restored from a backup: who gave epoch 5000 may have reserved as many again.
  expect(byOther(numbered(4, 'a'), content('a'), [5_000])).toEqual({ kind: 'write', epoch: 5_000 + 2 * epochsReserved });
});

test('an owner whose reservation is used up writes, and one that hears of foreign epochs begins behind them', () => {
  const stored = numbered(4, 'a');
  const last = numbered(reservedBy(4), 'b');
  expect(byOwner({ stored, newest: last, wants: content('c') })).toEqual({ kind: 'write', epoch: last.epoch + 1 });
  expect(byOwner({ stored, newest: numbered(5, 'b'), wants: content('b'), known: [3_000] })).toMatchObject({ kind: 'write', epoch: 5_000 });
});

test('a pod that says it has an epoch which no operator gets to is not believed, so that there is always a next one', () => {
  const made = byOther(numbered(4, 'a'), content('b'), [4, 2 ** 52 + 1, Number.MAX_SAFE_INTEGER]);
  expect(made).toMatchObject({ kind: 'write', epoch: 4 + epochsReserved });
  expect(byOther(undefined, content('a'), [2 ** 52])).toMatchObject({ kind: 'write', epoch: 2 ** 52 + 2 * epochsReserved });
  // From there on what the store says counts.
  const { epoch } = byOther(numbered(2 ** 52 + 5, 'a'), content('b'), [2 ** 52 + 5, 2 ** 53 - 1]);
  expect(epoch).toBe(2 ** 52 + 5 + epochsReserved);
});

/** The ConfigMap with optimistic writes, as much of the API server as the fence needs. */
interface Shelf {
  version: number;
  stored: NonNullable<DocumentDecisionInput['stored']> | undefined;
}

/** An operator that believes to lead. */
class Writer {
  readonly #shelf: Shelf;
  readonly #given: Map<number, string>;
  #own: { version: number; newest: NonNullable<DocumentDecisionInput['stored']>; reservedUntil: number } | undefined;
  /** The ConfigMap as its store has it. */
  #seen: Shelf;

  constructor(shelf: Shelf, given: Map<number, string>) {
    this.#shelf = shelf;
    this.#given = given;
    this.#seen = { ...shelf };
  }

  look(): void {
    this.#seen = { ...this.#shelf };
  }

  /** @returns the epoch of the document that it gave; `undefined` where another write came first */
  tell(wants: DocumentDecisionInput['content'], sinceWriteMs: number, known: readonly number[]): number | undefined {
    // A store never hides an operator's own write from it.
    if (this.#own !== undefined && this.#own.version > this.#seen.version) this.look();
    const own = this.#own?.version === this.#seen.version ? this.#own : undefined;
    const { stored } = this.#seen;
    const decision = nextDocument({
      stored,
      reservedUntil: own?.reservedUntil ?? (stored === undefined ? 0 : reservedBy(stored.epoch)),
      own: own && { newest: own.newest, sinceWriteMs },
      content: wants,
      knownEpochs: [...known, this.#own?.newest.epoch ?? 0],
    });
    const { epoch, kind } = decision;
    const newest = { epoch, ...wants };
    if (kind === 'write') {
      if (this.#seen.version !== this.#shelf.version) {
        this.look();
        return undefined;
      }
      this.#shelf.version += 1;
      this.#shelf.stored = newest;
      this.look();
      this.#own = { version: this.#shelf.version, newest, reservedUntil: reservedBy(epoch) };
    } else if (own !== undefined) this.#own = { ...own, newest };
    const text = `${wants.members} ${wants.rest}`;
    expect(this.#given.get(epoch) ?? text, `documents of epoch ${epoch}`).toBe(text);
    this.#given.set(epoch, text);
    return epoch;
  }
}

test('two operators that both believe to lead never give one epoch to two documents, though the ConfigMap is lost or restored', () => {
  const step = fc.record({
    who: fc.nat(1),
    does: fc.constantFrom('tell', 'tell', 'tell', 'tell', 'look', 'restart', 'delete', 'restore'),
    members: fc.constantFrom('a', 'b', 'c'),
    rest: fc.constantFrom('p', 'p', 'p', 'q'),
    sinceWriteMs: fc.constantFrom(0, 100, membersWriteMs),
    /** How many of the last epochs nobody has reported. */
    unheard: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const shelf: Shelf = { version: 1, stored: undefined };
      const backups: Shelf['stored'][] = [];
      const given = new Map<number, string>();
      const writers = [new Writer(shelf, given), new Writer(shelf, given)];
      const highest: number[] = [];
      /** What pods had when the ConfigMap was lost is known; what they get afterwards may not be. */
      let atLoss = 0;
      for (const { who, does, members, rest, sinceWriteMs, unheard } of steps) {
        const writer = writers[who] as Writer;
        const heard = [...highest.slice(0, Math.max(0, highest.length - unheard)), atLoss];
        if (does === 'look') writer.look();
        if (does === 'restart') writers[who] = new Writer(shelf, given);
        if (does === 'delete' || does === 'restore') {
          shelf.version += 1;
          shelf.stored = does === 'delete' ? undefined : backups[0];
          atLoss = highest.at(-1) ?? 0;
        }
        if (does !== 'tell') continue;
        const epoch = writer.tell({ members, rest }, sinceWriteMs, heard);
        if (epoch !== undefined) highest.push(epoch);
        highest.sort((one, other) => one - other);
        backups.push(shelf.stored);
      }
    }),
    { numRuns: 3_000 },
  );
});

test('the epochs that one operator gives only rise, and what it has told it keeps', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.nat(membersWriteMs)), { maxLength: 30 }), (changes) => {
      const shelf: Shelf = { version: 1, stored: undefined };
      const writer = new Writer(shelf, new Map());
      let before = 0;
      for (const [members, sinceWriteMs] of changes) {
        const epoch = writer.tell(content(members), sinceWriteMs, [before]) as number;
        expect(epoch).toBeGreaterThanOrEqual(before);
        expect(writer.tell(content(members), sinceWriteMs, [epoch])).toBe(epoch);
        before = epoch;
      }
    }),
  );
});

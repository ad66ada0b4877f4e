import { expect, test } from 'vitest';
import type { HistoryPage, HistoryQuery } from '../../core/history.ts';
import { HistoryRing } from '../../core/history.ts';
import { HistoryReads } from '../../gateway/pull/history-reads.ts';
import { PullDocuments, type Answer } from '../../gateway/pull/pull-documents.ts';
import { readPullRequest } from '../../gateway/pull/pull-request.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Poller, type PulledItem, type PullAnswer } from '../support/poller.ts';
import { publication } from '../support/publications.ts';
import { Random } from './random.ts';

const seeds = 200;
const channel = 'video:1';
const history = { size: 200, ttlSeconds: 3_600 };

/** The log of a channel: publications are named by the order in which they came; a failover loses the newest. */
class Log {
  readonly published = new Map<number, string>();
  #ring = new HistoryRing(Number.POSITIVE_INFINITY);
  #reigns = 1;
  #position = { epoch: 'r1e', offset: 0 };
  #earlier: { readonly epoch: string; readonly offset: number } | undefined;
  readonly bytesMax: number;
  count = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  publish(clock: FakeClock): void {
    if (!this.#position.epoch.endsWith('e')) this.#position = { ...this.#position, epoch: `${this.#position.epoch}e` };
    const offset = ++this.#position.offset;
    const text = `p${++this.count}`;
    this.published.set(offset, text);
    this.#ring.add(offset, [publication(text, { acceptedAt: clock.wall() })], history.size);
  }

  /** A replica without the newest takes over. Until something is published, its epoch is the beginning of a name. */
  failover(lost: number): void {
    const { epoch, offset } = this.#position;
    if (!epoch.endsWith('e') || offset === 0) return;
    const upto = Math.max(1, offset - lost);
    for (let gone = upto + 1; gone <= offset; gone++) this.published.delete(gone);
    const kept = this.#ring.read({ kind: 'newest', before: upto + 1, limit: history.size }, Number.POSITIVE_INFINITY);
    this.#ring = new HistoryRing(Number.POSITIVE_INFINITY);
    for (const { offset: at, publication: each } of kept) this.#ring.add(at, [each], history.size);
    this.#earlier = { epoch, offset: upto };
    this.#position = { epoch: `r${++this.#reigns}`, offset: upto };
  }

  history(_channel: string, query: HistoryQuery): Promise<HistoryPage> {
    const publications = this.#ring.read(query, this.bytesMax);
    return Promise.resolve({
      position: { ...this.#position },
      ...(this.#earlier === undefined ? {} : { earlier: this.#earlier }),
      publications,
    });
  }

  get end(): number {
    return this.#position.offset;
  }
}

function gatewayOf(log: Log, clock: FakeClock): PullDocuments {
  return new PullDocuments({
    answerBytesMax: log.bytesMax,
    reads: new HistoryReads({ log, clock, onRead: () => undefined, onRefused: () => undefined }),
    clock,
    onEncoded: () => undefined,
    cacheBytesMax: 1e7,
  });
}

async function ask(gateway: PullDocuments, path: string): Promise<PullAnswer> {
  const read = readPullRequest('GET', path);
  if (read.kind !== 'request') throw new Error(`a poller asked for ${path}`);
  const { request } = read;
  const answer: Answer = await (request.kind === 'head' ? gateway.head(channel, history) : gateway.segment(channel, request.part, history));
  if (answer.kind === 'document') return { status: 200, document: JSON.parse(answer.document.plain.bytes.toString()) as unknown };
  const { status, code } = answer.refusal;
  return { status, document: { error: { code } } };
}

test(`a poller has every publication once and in order, or a gap, over two gateways, a cache and failovers: ${seeds} seeds`, async () => {
  let gaps = 0;
  let epochs = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const source = new Random(seed);
    const random = (): number => source.fraction();
    const chance = (share: number): boolean => random() < share;
    const clock = new FakeClock();
    const isLarge = chance(0.3);
    const log = new Log(isLarge ? 60 : Number.POSITIVE_INFINITY);
    const gateways = [gatewayOf(log, clock), gatewayOf(log, clock)];
    const cache = new Map<string, { readonly answer: PullAnswer; readonly until: number }>();
    const items: PulledItem[] = [];
    const poller = new Poller({ channel, onItem: (item) => items.push(item) });
    // A poller that keeps up misses nothing. One that reads large segments in parts may be too slow.
    const isSteady = !isLarge && chance(0.7);
    const failovers = chance(0.3);
    const turn = async (): Promise<void> => {
      const path = poller.path;
      const held = cache.get(path);
      const isHeld = held !== undefined && clock.time < held.until;
      const answer = isHeld ? held.answer : await ask(gateways[chance(0.5) ? 0 : 1] as PullDocuments, path);
      const lasts = answer.status === 200 && path.includes('/segments/') ? 3_600_000 : answer.status === 410 ? 1_000 : 2_000;
      if (!isHeld) cache.set(path, { answer, until: clock.time + lasts });
      poller.take(answer);
    };
    await turn();
    for (let step = 0; step < 40; step++) {
      const burst = Math.floor(random() * (isSteady ? 40 : 160));
      for (let index = 0; index < burst; index++) log.publish(clock);
      if (failovers && chance(0.05)) log.failover(Math.floor(random() * 5));
      const turns = 1 + Math.floor(random() * 6);
      for (let index = 0; index < turns && (index === 0 || !poller.waits); index++) await turn();
      clock.time += 300 + Math.floor(random() * 1_500);
    }
    // An open segment that is larger than one answer is whole only when it is closed.
    do log.publish(clock);
    while (log.end % 50 !== 0);
    for (let index = 0; index < 60 && poller.position?.offset !== log.end; index++) {
      clock.time += 700;
      await turn();
    }
    const told = `seed ${seed}`;
    expect(poller.position?.offset, told).toBe(log.end);
    epochs += poller.position?.epoch === 'r1e' ? 0 : 1;
    gaps += poller.gaps.length;
    checkOrder(items, told);
    checkWhole({ items, gaps: poller.gaps }, { log, told });
    if (isSteady && !failovers) expect(poller.gaps, told).toEqual([]);
  }
  // The seeds reach what they are about.
  expect(gaps).toBeGreaterThan(30);
  expect(epochs).toBeGreaterThan(30);
});

function checkOrder(items: readonly PulledItem[], told: string): void {
  const numbers = items.map(({ data }) => Number(data.slice(1)));
  expect(
    numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? 0)),
    told,
  ).toBe(true);
}

/** Everything that the log still has after the beginning was received, or lies in a gap that was told. */
function checkWhole(
  { items, gaps }: { readonly items: readonly PulledItem[]; readonly gaps: Poller['gaps'] },
  { log, told }: { readonly log: Log; readonly told: string },
): void {
  const received = new Set(items.map(({ data }) => data));
  const missing = [...log.published].filter(
    ([offset, text]) => !received.has(text) && !gaps.some(({ after, upto }) => !(offset <= after) && offset <= upto),
  );
  expect(missing, told).toEqual([]);
}

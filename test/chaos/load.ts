import { setTimeout as pause } from 'node:timers/promises';
import { Random } from '../simulation/random.ts';
import { draftFor, pickChannel, type Draft } from './channels.ts';
import type { Publication, Recallable } from './record.ts';
import { bodyOf, requestOf, settle, type Answer, type Outcome } from './requests.ts';

/** How long a keyed publication is repeated whose fate is unknown, in milliseconds. */
const repeatMs = 60_000;
const answerWithinMs = 8_000;
/** Of the publications to a channel that takes recalls, so many are one. */
const recallShare = 0.04;
/** A recall names some of so many newest publications of the load, and skips fewer than so many of the channel. */
const recallFrom = 400;
const recallableSkipped = 8;

/** Backends that publish: single publications and batches, with keys and without. Each publication is written down. */
export class Load {
  readonly #ports: readonly number[];
  readonly #random: Random;
  readonly #underWay = new Set<Promise<unknown>>();
  #publications: Publication[] = [];
  #timer: NodeJS.Timeout | undefined;
  #next = 1;
  #turn = 0;

  /** @param ports of publishers, which are asked in turn */
  constructor(ports: readonly number[], seed: number) {
    this.#ports = ports;
    this.#random = new Random(seed);
  }

  start(perSecond: number): void {
    const startedAt = performance.now();
    let done = 0;
    this.#timer = setInterval(() => {
      const due = ((performance.now() - startedAt) * perSecond) / 1000;
      // After a pause of this process what it missed is not made up for.
      if (due - done > perSecond) done = due - 1;
      while (done < due) done += this.#publishSome();
    }, 20);
  }

  /** Ends the load, and waits until the fate of each publication is known, or can't be. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
  }

  /** What was published since the last time. */
  collect(): readonly Publication[] {
    const publications = this.#publications;
    this.#publications = [];
    return publications;
  }

  /** Publishes one that everybody must get, and waits for the gateways' word: who got it. */
  async mark(channel: string): Promise<{ readonly publication: Publication; readonly answer: Answer | undefined }> {
    const publication = this.#note({ channel, priority: 'high', conflation: undefined, isKeyed: true });
    const outcome = await this.#send(publication, '?wait=delivered&waitMs=3000');
    settle(publication, outcome);
    if (publication.fate !== 'yes') await this.#repeat(publication);
    return { publication, answer: 'answer' in outcome ? outcome.answer : undefined };
  }

  #publishSome(): number {
    const channel = pickChannel(this.#random);
    const recallable = channel.isRecalled && this.#random.chance(recallShare) ? this.#recallable(channel.name) : [];
    if (recallable.length > 0) {
      const draft = { channel: channel.name, priority: 'high', conflation: undefined, isKeyed: true } as const;
      this.#track(this.#publishOne(this.#note({ ...draft, recalls: recallable })));
      return 1;
    }
    if (this.#random.chance(0.2)) {
      const batch = Array.from({ length: 2 + this.#random.below(4) }, () =>
        this.#note(draftFor(this.#random.chance(0.5) ? channel : pickChannel(this.#random), this.#random)),
      );
      this.#track(this.#publishBatch(batch));
      return batch.length;
    }
    this.#track(this.#publishOne(this.#note(draftFor(channel, this.#random))));
    return 1;
  }

  /** Some of the newest publications of a channel, all of one order. */
  #recallable(channel: string): readonly Recallable[] {
    const found: Recallable[] = [];
    for (const publication of this.#publications.slice(-recallFrom).toReversed()) {
      const { number, position, recalls } = publication;
      if (publication.channel !== channel || position === undefined || recalls !== undefined) continue;
      if (found.length > 0 && found[0]?.position.epoch !== position.epoch) break;
      found.push({ number, position });
    }
    const skipped = this.#random.below(recallableSkipped);
    return found.slice(skipped, skipped + 1 + this.#random.below(3));
  }

  #note(draft: Draft): Publication {
    const publication: Publication = {
      ...draft,
      number: this.#next++,
      sentAt: Date.now(),
      answeredAt: Infinity,
      fate: 'unknown',
      position: undefined,
      words: '',
    };
    this.#publications.push(publication);
    return publication;
  }

  async #publishOne(publication: Publication): Promise<void> {
    const isOpen = settle(publication, await this.#send(publication));
    if (publication.isKeyed && isOpen) await this.#repeat(publication);
  }

  async #publishBatch(batch: readonly Publication[]): Promise<void> {
    const outcome = await this.#post<{ readonly E: Answer['E']; readonly r?: { readonly results: readonly Answer[] } }>('/v1/publish', {
      publications: batch.map(bodyOf),
    });
    for (const [index, publication] of batch.entries()) {
      const results = 'answer' in outcome ? outcome.answer.r?.results : undefined;
      const own = results?.[index] ?? ('answer' in outcome ? { E: outcome.answer.E } : undefined);
      settle(publication, own === undefined ? { lost: 'lost' in outcome ? outcome.lost : 'no result' } : { answer: own });
    }
    await Promise.all(batch.filter(({ isKeyed }) => isKeyed).map((each) => this.#repeat(each)));
  }

  /** Repeats a publication with a key until its fate is known. */
  async #repeat(publication: Publication): Promise<void> {
    let mayBeThere = publication.fate === 'unknown';
    for (let isOpen = true; isOpen && publication.fate !== 'yes' && Date.now() - publication.sentAt < repeatMs;) {
      await pause(500);
      isOpen = settle(publication, await this.#send(publication));
      mayBeThere ||= publication.fate === 'unknown';
    }
    // A later refusal says nothing of an earlier attempt whose answer was lost.
    if (mayBeThere && publication.fate === 'no') publication.fate = 'unknown';
  }

  async #send(publication: Publication, query = ''): Promise<Outcome> {
    const { path, body } = requestOf(publication);
    return await this.#post<Answer>(`${path}${query}`, body);
  }

  async #post<Body extends object>(path: string, body: unknown): Promise<{ readonly answer: Body } | { readonly lost: string }> {
    const port = this.#ports[this.#turn++ % this.#ports.length]!;
    try {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(answerWithinMs),
      });
      return { answer: (await response.json()) as Body };
    } catch (error) {
      const { cause, message } = error as Error;
      // Nobody listens: nothing was sent.
      if ((cause as { readonly code?: string } | undefined)?.code === 'ECONNREFUSED')
        return { answer: { E: { c: 0, m: 'connection refused', published: 'no' } } as unknown as Body };
      return { lost: message };
    }
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }
}

import { setTimeout as pause } from 'node:timers/promises';
import { Random } from '../simulation/random.ts';
import { draftFor, pickChannel, type Draft } from './channels.ts';
import type { Publication } from './record.ts';

interface Answer {
  readonly E: { readonly c: number; readonly m: string; readonly published?: 'no' | 'unknown' } | null;
  readonly r?: {
    readonly offset: number;
    readonly epoch: string;
    readonly s: number;
    readonly f: number;
    readonly pending?: number;
    readonly unanswered?: readonly string[];
  };
}

/** An answer without `published` that is no success says that nothing was published. */
type Outcome = { readonly answer: Answer } | { readonly lost: string };

/** How long a keyed publication is repeated whose fate is unknown, in milliseconds. */
const repeatMs = 60_000;
const answerWithinMs = 8_000;

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
    settle(publication, await this.#send(publication));
    if (publication.isKeyed) await this.#repeat(publication);
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
    while (publication.fate !== 'yes' && Date.now() - publication.sentAt < repeatMs) {
      await pause(500);
      settle(publication, await this.#send(publication));
      mayBeThere ||= publication.fate === 'unknown';
    }
    // A later refusal says nothing of an earlier attempt whose answer was lost.
    if (mayBeThere && publication.fate === 'no') publication.fate = 'unknown';
  }

  async #send(publication: Publication, query = ''): Promise<Outcome> {
    return await this.#post<Answer>(`/v1/mesh/publish${query}`, bodyOf(publication));
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

/** What an attempt says of a publication's fate. */
function settle(publication: Publication, outcome: Outcome): void {
  publication.answeredAt = Date.now();
  if ('lost' in outcome) {
    publication.fate = 'unknown';
    publication.words = outcome.lost;
    return;
  }
  const { E: error, r: result } = outcome.answer;
  publication.words = error?.m ?? '';
  publication.fate = error === null ? 'yes' : (error.published ?? 'no');
  if (error === null && result !== undefined) publication.position = { epoch: result.epoch, offset: result.offset };
}

function bodyOf({ channel, number, priority, conflation, isKeyed }: Publication): object {
  const payload = `${number} ${'弹幕 '.repeat(1 + (number % 12))}`;
  const isBinary = number % 16 === 0;
  return {
    c: channel,
    d: isBinary ? Buffer.from(payload).toString('base64') : payload,
    ...(isBinary ? { t: 'binary' } : {}),
    priority,
    ...(conflation === undefined ? {} : { conflateKey: conflation.key, conflate: conflation.mode }),
    ...(conflation?.mode === 'Sum' ? { count: conflation.count } : {}),
    ...(isKeyed ? { idempotencyKey: `chaos-${number}` } : {}),
  };
}

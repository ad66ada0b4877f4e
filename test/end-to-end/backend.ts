import type { Published } from './outage/account.ts';

/** Most publications that a late timer makes up for at once: a process that stood still does not flood the pool. */
const burstMax = 200;

/** Milliseconds of a clock that the processes of one machine share. */
export function machineMs(): number {
  return performance.timeOrigin + performance.now();
}

/** A load: so many publications a second, to the channels in turn. */
export interface Load {
  readonly perSecond: number;
  readonly channels: readonly string[];
  /** Port of the publisher on loopback. */
  readonly port: number;
}

/** An application's backend. It publishes numbers, none of them twice, and keeps what it was answered. */
export class Backend {
  readonly published: Published[] = [];
  readonly #requests = new Set<Promise<unknown>>();
  readonly #stops: (() => void)[] = [];
  readonly #clock: () => number;
  #next = 0;

  /** @param clock of `answeredAt`, in milliseconds */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** Publishes at this rate until `stop`. */
  load({ perSecond, channels, port }: Load): void {
    const startedAt = performance.now();
    let sent = 0;
    const timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1000);
      sent = Math.max(sent, due - burstMax);
      while (sent < due) void this.publish(channels[sent++ % channels.length]!, port);
    }, 1000 / perSecond);
    this.#stops.push(() => clearInterval(timer));
  }

  /** Publishes the next number; resolves with what was answered. */
  async publish(channel: string, port: number): Promise<Published> {
    const number = this.#next++;
    const sentAt = this.#clock();
    const request = fetch(`http://127.0.0.1:${port}/v1/mesh/publish`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ c: channel, d: `${channel} ${number}` }),
    });
    const record = request.then(async (response) => {
      const answer = (await response.json()) as Answer;
      const answeredAt = this.#clock();
      const published: Published = {
        channel,
        number,
        tookMs: answeredAt - sentAt,
        answeredAt,
        status: response.status,
        retryAfter: response.headers.get('retry-after'),
        words: answer.E?.m ?? '',
        published: answer.E === null ? 'yes' : (answer.E.published ?? 'no'),
        position: answer.r,
      };
      this.published.push(published);
      return published;
    });
    this.#track(record);
    return await record;
  }

  /** Ends the load, and waits for the answers. */
  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    await Promise.all(this.#requests);
  }

  #track(request: Promise<unknown>): void {
    this.#requests.add(request);
    void request.finally(() => this.#requests.delete(request));
  }
}

interface Answer {
  readonly E: { readonly c: number; readonly m: string; readonly published?: 'no' | 'unknown' } | null;
  readonly r?: { readonly epoch: string; readonly offset: number };
}

import type { FakeClock } from '../support/fake-clock.ts';
import type { PullAnswer } from '../support/poller.ts';
import type { SimulatedGateway } from './gateway.ts';
import type { Random } from './random.ts';

/** How long a cache keeps an answer, in milliseconds: longer than it may keep a head, as caches do that revalidate. */
const lasts = { head: 2_000, segment: 3_600_000, gone: 10_000, failed: 0 } as const;

/** A cache in front of the gateways. */
export class PullCache {
  readonly #clock: FakeClock;
  readonly #random: Random;
  readonly #gateways: readonly SimulatedGateway[];
  readonly #held = new Map<string, { readonly answer: PullAnswer; readonly until: number }>();

  constructor(options: { readonly clock: FakeClock; readonly random: Random; readonly gateways: readonly SimulatedGateway[] }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#gateways = options.gateways;
  }

  async pull(path: string): Promise<PullAnswer> {
    const held = this.#held.get(path);
    if (held !== undefined && this.#clock.time < held.until) return held.answer;
    const answer = await this.#random.pick(this.#gateways).pull(path);
    this.#held.set(path, { answer, until: this.#clock.time + lastsMs(path, answer) });
    return answer;
  }
}

function lastsMs(path: string, { status, document }: PullAnswer): number {
  if (status === 200) return path.endsWith('/head') ? lasts.head : lasts.segment;
  const { code } = (document as { readonly error: { readonly code: string } }).error;
  return code === 'gone' || code === 'epoch_ended' ? lasts.gone : lasts.failed;
}

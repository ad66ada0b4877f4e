import { PulledChannel, type PullVerdict } from '../../client/transport/pulled-channel.ts';
import { readHead, readSegment } from '../../client/transport/pulled.ts';
import type { SubscribeResult } from '../../core/protocol/barrage-v1.ts';
import type { Position } from '../../core/publication.ts';
import type { ReceivedMessage } from './viewer.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import type { PullAnswer } from '../support/poller.ts';
import type { Random } from './random.ts';

/** Answers a request for a document at once: a cache with gateways behind it. */
export type Pull = (path: string) => Promise<PullAnswer>;

export interface PullReaderOptions {
  readonly channel: string;
  /** Where to begin; absent: at the head. */
  readonly position: Position | undefined;
  readonly rewind: number | undefined;
  readonly pull: Pull;
  readonly clock: FakeClock;
  readonly random: Random;
  /** The gateway's time as the client knows it, in Unix milliseconds. */
  readonly serverNow: () => number | undefined;
  readonly onJoined: (result: SubscribeResult) => void;
  /** A closed segment was taken. */
  readonly onSegment: () => void;
  readonly onMessage: (message: ReceivedMessage) => void;
}

/** Reads a channel by pull: the SDK's own `PulledChannel`, whose questions take their time. */
export class PullReader {
  readonly #options: PullReaderOptions;
  readonly #pulled: PulledChannel;

  constructor(options: PullReaderOptions) {
    this.#options = options;
    const { channel, position: since, rewind, clock, random, onJoined, onMessage } = options;
    this.#pulled = new PulledChannel({
      channel,
      since,
      rewind: since === undefined ? rewind : undefined,
      questions: (path) => this.#ask(path),
      clock,
      random: random.fraction,
      onJoined,
      onRefused: (_code, message) => {
        throw new Error(message);
      },
      onMessage,
      onBroken: (why) => {
        throw new Error(why);
      },
    });
    this.#pulled.go();
  }

  stop(): void {
    this.#pulled.stop();
  }

  async #ask(path: string): Promise<PullVerdict> {
    const { channel, pull, serverNow, onSegment } = this.#options;
    await this.#onTheWay();
    const { status, document } = await pull(`/v1/channels/${encodeURIComponent(channel)}/${path}`);
    await this.#onTheWay();
    if (status >= 500) return { kind: 'failed' };
    if (status !== 200) return { kind: 'refused', status, document };
    const now = serverNow();
    if (path !== 'head') {
      onSegment();
      return { kind: 'segment', batch: readSegment(document, now) };
    }
    const head = readHead(document, now);
    return head === undefined ? { kind: 'failed' } : { kind: 'head', head };
  }

  #onTheWay(): Promise<void> {
    const { clock, random } = this.#options;
    return new Promise((resolve) => clock.after(1 + random.below(20), resolve));
  }
}

import { readMessage } from '../../client/wire.ts';
import type { EpochChange, Gap } from '../../core/protocol/barrage-v1.ts';
import type { ReceivedBatch } from '../../client/wire.ts';
import type { Position } from '../../core/publication.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import type { PullAnswer, PulledBatch } from '../support/poller.ts';
import { PulledOrder, type PulledStep } from './pulled-order.ts';
import type { Random } from './random.ts';

/** Answers a request for a document at once: a cache with gateways behind it. */
export type Pull = (path: string) => Promise<PullAnswer>;

export interface PullReaderOptions {
  readonly channel: string;
  /** Where to begin; absent: at the head. */
  readonly position: Position | undefined;
  readonly pull: Pull;
  readonly clock: FakeClock;
  readonly random: Random;
  /** A reader without a position has one. */
  readonly onPosition: (position: Position) => void;
  /** A closed segment was taken. */
  readonly onSegment: () => void;
  readonly onMessage: (message: ReceivedBatch | Gap | EpochChange) => void;
}

/** Reads a channel by pull: asks, waits for the way, takes the answer, and waits as it was told. */
export class PullReader {
  readonly #options: PullReaderOptions;
  readonly #order: PulledOrder;
  #isOver = false;

  constructor(options: PullReaderOptions) {
    this.#options = options;
    const { channel, position } = options;
    this.#order = new PulledOrder({ channel, position, onStep: (step) => this.#take(step) });
    this.#ask();
  }

  stop(): void {
    this.#isOver = true;
  }

  #ask(): void {
    const { clock, random, pull } = this.#options;
    if (this.#isOver) return;
    clock.after(1 + random.below(20), () => {
      const { path } = this.#order;
      // There is always an answer: a gateway that can't read says so.
      void pull(path).then((answer) => clock.after(1 + random.below(20), () => this.#answered(path, answer)));
    });
  }

  #answered(path: string, answer: PullAnswer): void {
    if (this.#isOver) return;
    if (answer.status === 200 && path.includes('/segments/')) this.#options.onSegment();
    this.#order.take(answer);
    if (this.#order.waits) this.#options.clock.after(this.#order.waitMs, () => this.#ask());
    else this.#ask();
  }

  #take(step: PulledStep): void {
    const { channel, onMessage, onPosition } = this.#options;
    if (step.kind === 'position') onPosition(step.position);
    else if (step.kind === 'epoch') onMessage({ type: 'epoch', channel, epoch: step.epoch, before: step.before });
    else if (step.kind === 'batch') onMessage(received(step.batch));
    else {
      const { from, to } = step;
      onMessage({ type: 'gap', channel, epoch: to.epoch, after: Math.min(from.offset, to.offset), upto: to.offset, reason: 'bus' });
    }
  }
}

/** A document is a batch of barrage.v1, but that its binary payloads are base64. */
function received(document: PulledBatch): ReceivedBatch {
  const message = readMessage(JSON.stringify(document));
  if (message.type !== 'batch') throw new Error(`a document is no batch, but ${message.type}`);
  const publications = message.publications.map((publication, index) =>
    isBinary(document.items[index]) ? { ...publication, data: Buffer.from(publication.data as string, 'base64') } : publication,
  );
  return { ...message, publications };
}

function isBinary(item: PulledBatch['items'][number] | undefined): boolean {
  return (item as { readonly kind?: unknown } | undefined)?.kind === 'binary';
}

import type { Bus, GatewayReply, GatewayRequest, GatewayServer, LogSubscriber, RoomCounts } from '../../core/bus/bus.ts';
import { encodeBody, envelopeVersion, type Envelope } from '../../core/bus/envelope.ts';
import { isOrderOf, type LogBatch, type Position, type Publication } from '../../core/publication.ts';

/**
 * The buses of a publisher process and of two gateway processes; one and the same where everything is in one process.
 */
export interface World {
  readonly publisher: Bus;
  readonly gateway: Bus;
  readonly otherGateway: Bus;
  close(): Promise<void>;
}

export function publication(text: string, more: Partial<Publication> = {}): Publication {
  return {
    kind: 'text',
    payload: Buffer.from(text),
    priority: 'normal',
    acceptedAt: 1_790_000_000_000,
    ttlMs: 0,
    conflation: undefined,
    sender: undefined,
    traceparent: undefined,
    ...more,
  };
}

export type Heard =
  | { readonly kind: 'publication'; readonly epoch: string; readonly offset: number; readonly text: string }
  | { readonly kind: 'resubscribed'; readonly position: Position };

/** A subscriber that writes down what it hears, publication by publication. */
export class Listener implements LogSubscriber {
  readonly heard: Heard[] = [];
  readonly batches: LogBatch[] = [];

  onBatch(batch: LogBatch): void {
    this.batches.push(batch);
    for (const [index, { payload }] of batch.publications.entries())
      this.heard.push({ kind: 'publication', epoch: batch.epoch, offset: batch.firstOffset + index, text: payload.toString() });
  }

  onResubscribed(position: Position): void {
    this.heard.push({ kind: 'resubscribed', position });
  }

  get texts(): string[] {
    return this.heard.flatMap((item) => (item.kind === 'publication' ? [item.text] : []));
  }

  get offsets(): number[] {
    return this.heard.flatMap((item) => (item.kind === 'publication' ? [item.offset] : []));
  }

  /** Whether its last new position is one of this epoch. */
  isAt(epoch: string | undefined): boolean {
    const position = this.resubscribed.at(-1);
    return position !== undefined && epoch !== undefined && isOrderOf(position, epoch);
  }

  get resubscribed(): Position[] {
    return this.heard.flatMap((item) => (item.kind === 'resubscribed' ? [item.position] : []));
  }
}

/** Something to ask a gateway, of which nothing matters but that it is answered. */
export const question: GatewayRequest = { method: 'call', client: 1, call: { kind: 'subscribe', channels: [] } };

/** A gateway with rooms to count and a programmable answer; remembers what it was asked. */
export class AnsweringGateway implements GatewayServer {
  readonly name: string;
  readonly asked: GatewayRequest[] = [];
  readonly members = new Map<string, RoomCounts>();
  #answer: (request: GatewayRequest) => Promise<GatewayReply>;

  constructor(name: string, answer: (request: GatewayRequest) => Promise<GatewayReply> = async () => ({ kind: 'done' })) {
    this.name = name;
    this.#answer = answer;
  }

  answer(request: GatewayRequest): Promise<GatewayReply> {
    this.asked.push(request);
    return this.#answer(request);
  }

  rooms(): Iterable<readonly [channel: string, counts: RoomCounts]> {
    return this.members;
  }

  roomCounts(channel: string): RoomCounts {
    return this.members.get(channel) ?? { ready: 0, full: 0 };
  }
}

/** Waits for a condition; fails with its name where it does not come true. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const startedAt = performance.now();
  while (!(await condition())) {
    if (performance.now() - startedAt > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const turnMs = 20;

/**
 * As `until`; returns how long this process was awake meanwhile, in milliseconds: turns of a timer, so that a pause of
 * its own is one turn.
 */
export async function awakeMsUntil(what: string, condition: () => boolean | Promise<boolean>): Promise<number> {
  let turns = 0;
  const counting = setInterval(() => (turns += 1), turnMs);
  try {
    await until(what, condition);
  } finally {
    clearInterval(counting);
  }
  return turns * turnMs;
}

export async function untilUp(bus: Bus): Promise<void> {
  await until('the bus is up', () => bus.state().up);
}

/** A whole envelope, with the head that `append.lua` writes. */
export function encodeEnvelope({ epoch, firstOffset, publications }: Envelope): Buffer {
  const head = Buffer.alloc(2 + epoch.length + 8);
  head[0] = envelopeVersion;
  head[1] = epoch.length;
  head.write(epoch, 2);
  head.writeBigUInt64BE(BigInt(firstOffset), 2 + epoch.length);
  return Buffer.concat([head, encodeBody(publications)]);
}

import { Counter, type Registry } from 'prom-client';
import { readCounter, readGauge } from '../../core/process/read-metrics.ts';
import type { Told } from './told.ts';

export interface PushLimits {
  /** Pushes under way at once. */
  readonly atOnceMax: number;
  /** Share of these for pods that did not answer last time: a pod on a dead node takes until the time limit. */
  readonly slowAtOnceMax: number;
  /** Bytes of all pushes under way. A larger body goes alone. */
  readonly bytesInFlightMax: number;
}

/** Bounds of the pushes of all pools together. */
export const pushLimits: PushLimits = { atOnceMax: 32, slowAtOnceMax: 16, bytesInFlightMax: 33_554_432 };

/** Time limit of a push, from its start: 2 s, and 1 s more for each MiB. */
export function pushMsMax(bytes: number): number {
  return 2_000 + Math.ceil((1_000 * bytes) / 1_048_576);
}

/** The chunks of a body. Pushes share the chunks: none is copied for a pod. */
export type PushBody = readonly Buffer[];

export interface Push {
  readonly address: string;
  readonly body: PushBody;
  /** Whether the pod did not answer the last question. */
  readonly isSlow: boolean;
}

export type SendPush = (address: string, body: PushBody, msMax: number) => Promise<Told>;

interface Waiting {
  readonly push: Push;
  readonly bytes: number;
  readonly done: (told: Told) => void;
}

/**
 * Sends pushes within {@link pushLimits}. Pools take turns: a large pool does not delay a small one. The time limit
 * counts from the start of a push, so waiting costs no push its answer.
 */
export class Pushes {
  readonly #send: SendPush;
  readonly #limits: PushLimits;
  /** Waiting pushes, one list for each call, in the order of turns. */
  #fast: Waiting[][] = [];
  #slow: Waiting[][] = [];
  #underWay = 0;
  #slowUnderWay = 0;
  #bytesInFlight = 0;
  readonly #results = { taken: 0, refused: 0, silent: 0 };
  #bytesSent = 0;

  /** @param send carries out one push within the given milliseconds; never rejects */
  constructor(send: SendPush, limits: PushLimits = pushLimits) {
    this.#send = send;
    this.#limits = limits;
  }

  /** Carries out all pushes. Their answers come in the order of the pushes. */
  async all(pushes: readonly Push[]): Promise<readonly Told[]> {
    const fast: Waiting[] = [];
    const slow: Waiting[] = [];
    const answers = pushes.map(
      (push) =>
        new Promise<Told>((done) => {
          (push.isSlow ? slow : fast).push({ push, bytes: bytesOf(push.body), done });
        }),
    );
    // Taken from the end.
    if (fast.length > 0) this.#fast.push(fast.toReversed());
    if (slow.length > 0) this.#slow.push(slow.toReversed());
    this.#begin();
    return Promise.all(answers);
  }

  export(registry: Registry): void {
    const registers = [registry];
    const gauge = (name: string, help: string, read: () => number): void => readGauge(registry, { name, help }, read);
    gauge(
      'barrage_operator_pushes_in_flight',
      `Pushes of pool documents under way: at most ${this.#limits.atOnceMax}, of which ${this.#limits.slowAtOnceMax} to pods that did not answer last time.`,
      () => this.#underWay,
    );
    gauge(
      'barrage_operator_pushes_waiting',
      'Pushes of pool documents that wait for a place.',
      () => waitingIn(this.#fast) + waitingIn(this.#slow),
    );
    gauge(
      'barrage_operator_push_bytes_in_flight',
      `Bytes of the pushes under way: at most ${this.#limits.bytesInFlightMax / 1_048_576} MiB, unless one push is larger.`,
      () => this.#bytesInFlight,
    );
    const results = this.#results;
    void new Counter({
      name: 'barrage_operator_pushes_total',
      help: "Pushes of pool documents by the pod's answer: `taken`, `refused`, `silent`.",
      labelNames: ['result'],
      registers,
      collect() {
        this.reset();
        for (const [result, count] of Object.entries(results)) this.inc({ result }, count);
      },
    });
    readCounter(registry, { name: 'barrage_operator_push_bytes_total', help: 'Bytes of the bodies of all pushes.' }, () => this.#bytesSent);
  }

  /** Starts pushes while there is a place. */
  #begin(): void {
    while (this.#underWay < this.#limits.atOnceMax) {
      const hasSlowPlace = this.#slowUnderWay < this.#limits.slowAtOnceMax;
      const lists = this.#fast.length > 0 ? this.#fast : hasSlowPlace ? this.#slow : [];
      const next = lists[0]?.at(-1);
      if (next === undefined) return;
      if (this.#underWay > 0 && this.#bytesInFlight + next.bytes > this.#limits.bytesInFlightMax) return;
      const list = lists.shift();
      list?.pop();
      if (list !== undefined && list.length > 0) lists.push(list);
      void this.#carryOut(next);
    }
  }

  async #carryOut({ push, bytes, done }: Waiting): Promise<void> {
    const { address, body, isSlow } = push;
    this.#underWay += 1;
    this.#slowUnderWay += isSlow ? 1 : 0;
    this.#bytesInFlight += bytes;
    this.#bytesSent += bytes;
    const told = await this.#send(address, body, pushMsMax(bytes));
    this.#underWay -= 1;
    this.#slowUnderWay -= isSlow ? 1 : 0;
    this.#bytesInFlight -= bytes;
    this.#results[told.kind] += 1;
    done(told);
    this.#begin();
  }
}

/** Number of bytes in a body. */
export function bytesOf(body: PushBody): number {
  return body.reduce((sum, chunk) => sum + chunk.length, 0);
}

function waitingIn(lists: readonly (readonly Waiting[])[]): number {
  return lists.reduce((sum, list) => sum + list.length, 0);
}

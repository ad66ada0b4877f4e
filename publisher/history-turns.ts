import type { ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { publisherBounds } from './bounds.ts';
import { tooMany, type Refusal } from './errors.ts';

/** Gives a turn back, for whoever waits next. */
export type EndTurn = () => void;

/**
 * Turns of the readers of histories. A page may have megabytes: many at once would hold up the publications on the
 * connection to the bus, and would fill the memory. Who has no turn waits for one, first in, first out, for
 * `historyWaitMsMax`.
 */
export class HistoryTurns {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #waiting = new Set<() => void>();
  readonly #max: number;
  #underWay = 0;

  /** @param max readers that have a turn at a time */
  constructor(clock: Pick<Clock, 'after'>, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  /** Readers that have a turn, or wait for one. */
  get size(): number {
    return this.#underWay + this.#waiting.size;
  }

  /** Resolves with a turn; with `undefined` where none came in time. */
  take(): Promise<EndTurn | undefined> {
    if (this.#underWay < this.#max) return Promise.resolve(this.#begin());
    return new Promise((resolve) => {
      const next = (): void => {
        this.#waiting.delete(next);
        callOff();
        resolve(this.#begin());
      };
      const callOff = this.#clock.after(publisherBounds.historyWaitMsMax, () => {
        this.#waiting.delete(next);
        resolve(undefined);
      });
      this.#waiting.add(next);
    });
  }

  #begin(): EndTurn {
    this.#underWay++;
    return () => {
      this.#underWay--;
      const [next] = this.#waiting;
      next?.();
    };
  }
}

/** The refusal of a reader whose turn did not come. */
export function noTurn(): Refusal {
  return tooMany('too many histories are being read, repeat', 1);
}

/** Ends a turn when its answer has been sent. A reader that does not take the answer in time is cut off. */
export function endTurnWith(response: ServerResponse, end: EndTurn, clock: Pick<Clock, 'after'>): void {
  // A reader that has gone: no `close` will come any more.
  if (response.destroyed) {
    end();
    return;
  }
  const callOff = clock.after(publisherBounds.historySendMsMax, () => void response.destroy());
  response.once('close', () => {
    callOff();
    end();
  });
}

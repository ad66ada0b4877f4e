import type { Clock } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import type { Position } from '../../core/publication.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';
import { Hole, type Arrival, type HoleResult, type HoleStep, type Intake } from '../recovery/hole.ts';
import type { HistoryReads } from './history-reads.ts';

type HoleMetrics = Pick<GatewayMetrics, 'holesFound' | 'holesClosed' | 'busGaps' | 'heldBehindHoles'>;

/** The room that has a hole. */
export interface HoledRoom {
  readonly channel: string;
  /** End of what the room has received. */
  readonly received: Position;
  /** Hands on in order what was missing, and what waited behind it. */
  handOn(next: Intake): void;
  /** Called once, after everything was handed on. */
  onClosed(result: HoleResult): void;
}

/** A hole that is being filled. */
export interface OpenHole {
  /** Holds back what comes meanwhile. */
  hold(arrival: Arrival): void;
  /** The room is closed: nothing more is handed on. */
  abandon(): void;
}

/** Fills holes in the orders of rooms from the histories that the bus keeps: one read at a time for each room. */
export class HoleFiller {
  readonly #reads: HistoryReads;
  readonly #metrics: HoleMetrics;
  readonly #clock: Pick<Clock, 'monotonic' | 'after'>;

  constructor(options: {
    readonly reads: HistoryReads;
    readonly metrics: HoleMetrics;
    readonly clock: Pick<Clock, 'monotonic' | 'after'>;
  }) {
    this.#reads = options.reads;
    this.#metrics = options.metrics;
    this.#clock = options.clock;
  }

  /** Begins to fill the hole before an arrival. Nothing is handed on before this returns. */
  fill(room: HoledRoom, arrival: Arrival): OpenHole {
    const hole = new Hole(room.received, this.#metrics.heldBehindHoles, this.#clock.monotonic());
    hole.hold(arrival);
    this.#metrics.holesFound.inc();
    const state = { isOpen: true };
    void this.#run(room, hole, state);
    return {
      hold: (later) => hole.hold(later),
      abandon: () => {
        state.isOpen = false;
        hole.abandon();
      },
    };
  }

  async #run(room: HoledRoom, hole: Hole, state: { isOpen: boolean }): Promise<void> {
    await Promise.resolve();
    let step = hole.begin();
    while (state.isOpen) {
      for (const arrival of step.handOn) room.handOn(arrival);
      const { next } = step;
      if (next.kind === 'closed') {
        this.#count(next.result, step);
        return room.onClosed(next.result);
      }
      step = next.kind === 'wait' ? await this.#wait(hole, next.ms) : await this.#read(room, hole, next.after);
    }
  }

  #count(result: HoleResult, { handOn }: HoleStep): void {
    this.#metrics.holesClosed.inc({ result });
    // A room counts the gap itself where it is told of a position.
    if (result !== 'filled' && handOn.every(({ kind }) => kind !== 'resubscribed')) this.#metrics.busGaps.inc();
  }

  async #wait(hole: Hole, ms: number): Promise<HoleStep> {
    await new Promise<void>((resolve) => this.#clock.after(ms, resolve));
    return hole.again();
  }

  async #read({ channel }: HoledRoom, hole: Hole, after: number): Promise<HoleStep> {
    try {
      const page = await this.#reads.read(channel, { kind: 'after', offset: after, limit: limits.historyPublicationsMax });
      return hole.read(page, this.#clock.monotonic());
    } catch {
      return hole.failed(this.#clock.monotonic());
    }
  }
}

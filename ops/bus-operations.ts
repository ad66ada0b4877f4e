import type { BusState } from '../core/bus/bus.ts';
import type { AdminStatus } from '../core/pool/admin-status.ts';
import type { OperationsPart } from './process-operations.ts';
import type { RegistryReader } from './registry-reader.ts';
import type { Readings } from './view/readings.ts';
import type { BusView, Snapshot } from './view/snapshot.ts';

/** The bus as a process sees it. */
export class BusOperations implements OperationsPart {
  readonly #reader: RegistryReader;
  readonly #state: () => BusState;
  readonly #inUse: (() => NonNullable<AdminStatus['bus']>) | undefined;
  #figures: Pick<BusView, 'isMemory' | 'subscriptionsInForce' | 'subscriptionsWaiting' | 'connectionErrors' | 'appendFailures'> = {
    isMemory: true,
    subscriptionsInForce: 0,
    subscriptionsWaiting: 0,
    connectionErrors: 0,
    appendFailures: {},
  };

  /** @param options.inUse the buses of this process, where a pool document chooses among them */
  constructor(options: {
    readonly reader: RegistryReader;
    readonly state: () => BusState;
    readonly inUse?: (() => NonNullable<AdminStatus['bus']>) | undefined;
  }) {
    this.#reader = options.reader;
    this.#state = options.state;
    this.#inUse = options.inUse;
  }

  async read(): Promise<Readings> {
    const reader = this.#reader;
    const [appendsWaiting, subscriptions, failures, errors] = await Promise.all([
      reader.sum('barrage_bus_appends_waiting'),
      reader.sumsBy('barrage_bus_subscriptions', 'state'),
      reader.sumsBy('barrage_bus_append_failures_total', 'reason'),
      reader.sum('barrage_bus_connection_errors_total'),
    ]);
    const failed = Object.entries(failures).filter(([, count]) => count > 0);
    this.#figures = {
      // Only a bus on Redis has these metrics.
      isMemory: errors === undefined,
      subscriptionsInForce: subscriptions['in_force'] ?? 0,
      subscriptionsWaiting: subscriptions['waiting'] ?? 0,
      connectionErrors: errors ?? 0,
      appendFailures: Object.fromEntries(failed),
    };
    const busUp = this.#state().up ? 1 : 0;
    if (appendsWaiting === undefined) return { now: { busUp }, totals: {}, distributions: {} };
    const { subscriptionsWaiting } = this.#figures;
    return {
      now: { busUp, appendsWaiting, subscriptionsWaiting },
      totals: { appendFailures: failed.reduce((sum, [, count]) => sum + count, 0) },
      distributions: {},
    };
  }

  view(): Pick<Snapshot, 'bus'> {
    const state = this.#state();
    const inUse = this.#inUse?.();
    return {
      bus: {
        ...this.#figures,
        isUp: state.up,
        ...(state.up ? {} : { fault: state.reason }),
        ...(inUse === undefined ? {} : { publishTo: inUse.publishTo, listening: inUse.listening }),
      },
    };
  }
}

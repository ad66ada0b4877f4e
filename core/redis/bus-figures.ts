import { Durations } from '../process/durations.ts';
import { earliest } from './earliest.ts';
import { noConnections, sumOfConnections } from './masters.ts';
import type { RedisBus, RedisBusFigures } from './bus.ts';

const none: RedisBusFigures = {
  appendsWaiting: 0,
  appendBytesWaiting: 0,
  envelopesRefused: 0,
  messagesRefused: 0,
  connectionErrors: 0,
  connections: noConnections,
  reconnects: { commands: 0, subscriptions: 0 },
  roundTrips: { append: new Durations(), history: new Durations(), call: new Durations(), check: new Durations() },
  historyBytes: { kept: 0, read: 0 },
  reportsWaiting: 0,
  appendFailures: new Map(),
  subscriptions: { inForce: 0, waiting: 0 },
  subscriptionFaults: { ended: 0, refused: 0, unproved: 0 },
  certificateEndsAt: undefined,
};

/** The figures of all buses that a process has or had: a count never falls because a bus was closed. */
export class SummedFigures {
  readonly #open = new Set<RedisBus>();
  #closed = none;

  add(bus: RedisBus): void {
    this.#open.add(bus);
  }

  /** The bus is closed: what it has counted is kept. */
  retire(bus: RedisBus): void {
    if (!this.#open.delete(bus)) return;
    const { appendsWaiting, appendBytesWaiting, reportsWaiting, connections, subscriptions, certificateEndsAt } = none;
    const nothingNow = { appendsWaiting, appendBytesWaiting, reportsWaiting, connections, subscriptions, certificateEndsAt };
    this.#closed = sumOf(this.#closed, { ...bus.figures(), ...nothingNow });
  }

  figures(): RedisBusFigures {
    return Array.from(this.#open, (bus) => bus.figures()).reduce(sumOf, this.#closed);
  }
}

function sumOf(a: RedisBusFigures, b: RedisBusFigures): RedisBusFigures {
  const appendFailures = new Map(a.appendFailures);
  for (const [reason, count] of b.appendFailures) appendFailures.set(reason, (appendFailures.get(reason) ?? 0) + count);
  return {
    appendsWaiting: a.appendsWaiting + b.appendsWaiting,
    appendBytesWaiting: a.appendBytesWaiting + b.appendBytesWaiting,
    envelopesRefused: a.envelopesRefused + b.envelopesRefused,
    messagesRefused: a.messagesRefused + b.messagesRefused,
    connectionErrors: a.connectionErrors + b.connectionErrors,
    connections: sumOfConnections(a.connections, b.connections),
    reconnects: {
      commands: a.reconnects.commands + b.reconnects.commands,
      subscriptions: a.reconnects.subscriptions + b.reconnects.subscriptions,
    },
    roundTrips: {
      append: a.roundTrips.append.plus(b.roundTrips.append),
      history: a.roundTrips.history.plus(b.roundTrips.history),
      call: a.roundTrips.call.plus(b.roundTrips.call),
      check: a.roundTrips.check.plus(b.roundTrips.check),
    },
    historyBytes: { kept: a.historyBytes.kept + b.historyBytes.kept, read: a.historyBytes.read + b.historyBytes.read },
    reportsWaiting: a.reportsWaiting + b.reportsWaiting,
    appendFailures,
    subscriptions: {
      inForce: a.subscriptions.inForce + b.subscriptions.inForce,
      waiting: a.subscriptions.waiting + b.subscriptions.waiting,
    },
    subscriptionFaults: {
      ended: a.subscriptionFaults.ended + b.subscriptionFaults.ended,
      refused: a.subscriptionFaults.refused + b.subscriptionFaults.refused,
      unproved: a.subscriptionFaults.unproved + b.subscriptionFaults.unproved,
    },
    certificateEndsAt: earliest([a.certificateEndsAt, b.certificateEndsAt]),
  };
}

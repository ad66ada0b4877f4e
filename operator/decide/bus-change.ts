/**
 * How a pool goes from one bus to another without losing a publication.
 *
 * ```
 *  settled ──spec names another──▶ joining ──all listen to it──▶ moving ──all publish to it──▶ leaving ──▶ settled
 * ```
 *
 * - joining: everybody publishes to the old bus. New gateways and publishers listen to both, and replace the old
 *   ones.
 * - moving: everybody listens to the new bus, and is told to publish there.
 * - leaving: nobody publishes to the old bus any more, and nobody has to listen to it.
 *
 * The state is in the pool document, which says where to publish and what to listen to. So a new operator continues
 * where another stopped, and the spec may name the old bus again at any time.
 */
import type { ActionEvent } from './actions.ts';

/** The part of the pool document that names buses, by their ids. */
export interface DocumentBuses {
  readonly publishTo: string;
  /** Holds `publishTo` too. */
  readonly listenTo: readonly string[];
}

/** A gateway or publisher that runs, as it was heard of last. */
export interface BusUser {
  readonly name: string;
  /** Id of the bus to which it publishes; `undefined`: it has not told. */
  readonly publishTo: string | undefined;
  /** Every bus to which it listens, with whether all of its subscriptions there are in force. */
  readonly listening: readonly { readonly id: string; readonly up: boolean }[];
  /** Whether it is not ready because of a bus. One master of a Cluster that is away is no such reason. */
  readonly isCutOff: boolean;
}

/** What an operator remembers between two decisions, in milliseconds of its monotonic clock. */
export interface BusMemory {
  /** Since when every gateway and publisher publishes to the new bus. */
  readonly movedSince: number | undefined;
  /** Since when nobody reaches the bus to which all publish, while the wanted one is up. */
  readonly awaySince: number | undefined;
}

export interface BusChangeInput {
  /** Id of the bus that the spec names; `undefined`: memory, which nobody can listen to from outside. */
  readonly wanted: string | undefined;
  /** What the newest document says; `undefined` before the first. */
  readonly stored: DocumentBuses | undefined;
  /** Ids of the buses whose settings are at hand. Nobody can listen to another. */
  readonly known: ReadonlySet<string>;
  readonly users: readonly BusUser[];
  readonly memory: BusMemory;
  /** Milliseconds of the monotonic clock. */
  readonly now: number;
}

export type BusStage = 'settled' | 'joining' | 'moving' | 'leaving';

export interface BusChange {
  readonly stage: BusStage;
  /** For the next document; `undefined` on a memory bus. */
  readonly buses: DocumentBuses | undefined;
  /** For new pods: their own bus, and the one to which they listen besides. */
  readonly pods: { readonly main: string; readonly previous: string | undefined } | undefined;
  /** Names of those for whom the present stage waits. */
  readonly waitingFor: readonly string[];
  readonly events: readonly ActionEvent[];
  readonly memory: BusMemory;
  /** Milliseconds until the next decision even without news. */
  readonly reviewAfterMs: number | undefined;
}

/**
 * How long all must have published to the new bus before the old one is left, in milliseconds. A publication
 * that was on its way to the old bus has arrived by then.
 */
export const leavingDelayMs = 5_000;
/** How long the old bus must be away from everybody before the pool moves without it, in milliseconds. */
export const awayMs = 10_000;

const nothing: BusMemory = { movedSince: undefined, awaySince: undefined };

export function decideBusChange(input: BusChangeInput): BusChange {
  const { wanted, stored, known } = input;
  if (wanted === undefined) return settled(undefined);
  if (stored === undefined) return settled(wanted);
  const { publishTo, listenTo } = stored;
  const others = listenTo.filter((id) => id !== publishTo);
  // A change under way to a third bus is finished first: nobody could listen to three.
  if (publishTo === wanted || others.some((id) => id !== wanted)) return finish(input, stored, others);
  // Nobody can be told how to reach the old bus, so nobody new could hear it.
  if (!known.has(publishTo)) return move(input, input.users.length === 0 ? undefined : 'its settings are gone from the Secret');
  return join(input, stored);
}

function settled(id: string | undefined): BusChange {
  return {
    stage: 'settled',
    buses: id === undefined ? undefined : { publishTo: id, listenTo: [id] },
    pods: id === undefined ? undefined : { main: id, previous: undefined },
    waitingFor: [],
    events: [],
    memory: nothing,
    reviewAfterMs: undefined,
  };
}

/** From the old bus, to which all publish, until all listen to the wanted one. */
function join(input: BusChangeInput, { publishTo, listenTo }: DocumentBuses): BusChange {
  const { wanted = '', users, memory, now } = input;
  const waitingFor = users.filter((user) => !hears(user, wanted)).map(({ name }) => name);
  if (waitingFor.length === 0 && listenTo.includes(wanted)) return move(input, undefined);
  const isAway = users.some((user) => hears(user, wanted)) && users.every((user) => user.isCutOff && !hears(user, publishTo));
  const awaySince = isAway ? (memory.awaySince ?? now) : undefined;
  if (awaySince !== undefined && now - awaySince >= awayMs) return move(input, 'nobody reaches the earlier one');
  const message = `spec.bus names another bus (${wanted}): gateways and publishers are replaced by ones that listen to both`;
  return {
    stage: 'joining',
    buses: { publishTo, listenTo: [publishTo, wanted] },
    pods: { main: wanted, previous: publishTo },
    waitingFor,
    events: listenTo.includes(wanted) ? [] : [{ type: 'Normal', reason: 'BusChangeStarted', message }],
    memory: { movedSince: undefined, awaySince },
    reviewAfterMs: awaySince === undefined ? undefined : awaySince + awayMs - now,
  };
}

/** @param force why the pool moves before all listen to the wanted bus; `undefined`: all do */
function move({ wanted = '', stored, known, users }: BusChangeInput, force: string | undefined): BusChange {
  const before = stored?.publishTo ?? wanted;
  const event: ActionEvent =
    force === undefined
      ? {
          type: 'Normal',
          reason: 'BusMoved',
          message: `Every gateway and publisher listens to the new bus (${wanted}) and publishes there now`,
        }
      : {
          type: 'Warning',
          reason: 'BusMoveForced',
          message: `Publications go to the new bus (${wanted}) before every gateway listens to it: ${force}. Clients of the others are told of a gap`,
        };
  return {
    stage: 'moving',
    buses: { publishTo: wanted, listenTo: [wanted, before] },
    pods: { main: wanted, previous: known.has(before) ? before : undefined },
    waitingFor: users.map(({ name }) => name),
    events: [event],
    memory: nothing,
    reviewAfterMs: undefined,
  };
}

/** From the moment at which all are told to publish to `publishTo`, until nobody listens to another bus. */
function finish({ wanted, known, users, memory, now }: BusChangeInput, { publishTo }: DocumentBuses, others: readonly string[]): BusChange {
  const [previous] = others;
  const pods = { main: publishTo, previous: previous !== undefined && known.has(previous) ? previous : undefined };
  if (previous === undefined) {
    const waitingFor = users.filter(({ listening }) => listening.some(({ id }) => id !== publishTo)).map(({ name }) => name);
    return waitingFor.length === 0 ? settled(publishTo) : { ...settled(publishTo), stage: 'leaving', waitingFor };
  }
  const waitingFor = users.filter((user) => user.publishTo !== publishTo).map(({ name }) => name);
  const movedSince = waitingFor.length === 0 ? (memory.movedSince ?? now) : undefined;
  if (movedSince !== undefined && now - movedSince >= leavingDelayMs) {
    const message = `Nobody publishes to the earlier bus (${previous}) any more, and nobody has to listen to it`;
    const event: ActionEvent = { type: 'Normal', reason: 'BusChanged', message };
    const isDone = wanted === publishTo;
    return {
      ...settled(publishTo),
      stage: 'leaving',
      waitingFor: [],
      events: isDone ? [event] : [],
      memory: nothing,
      reviewAfterMs: 1_000,
    };
  }
  return {
    stage: 'moving',
    buses: { publishTo, listenTo: [publishTo, ...others] },
    pods,
    waitingFor,
    events: [],
    memory: { movedSince, awaySince: undefined },
    reviewAfterMs: movedSince === undefined ? undefined : movedSince + leavingDelayMs - now,
  };
}

function hears({ listening }: BusUser, bus: string): boolean {
  return listening.some(({ id, up }) => id === bus && up);
}

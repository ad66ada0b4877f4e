import type { Hello } from '../core/protocol/barrage-v1.ts';

/** A command in its wire form, with its length in UTF-8 bytes. */
export interface QueuedCommand {
  readonly id: number;
  readonly text: string;
  readonly bytes: number;
}

/** The reason why a command is refused. */
export type QueueRefusal = 'too_large' | 'full';

/** The next step: a command to send, or a wait in milliseconds. Or none, until a reply comes or a command is added. */
export type QueueStep =
  | { readonly kind: 'send'; readonly command: QueuedCommand }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'idle' };

/** Below the gateway's bound on commands in flight. */
export const inFlightMax = 32;
/** Most time that the waiting calls may take to go out at the gateway's rate, in seconds; more calls are refused. */
export const waitingSecondsMax = 5;
/** Most bytes of the waiting calls. */
export const waitingBytesMax = 4_194_304;
/**
 * The part of the gateway's rate that the client uses. A network that delivers late and in bursts must not make honest
 * calls look like too many.
 */
const rateShare = 0.9;
/** The part of the gateway's bound for one second that may be sent at once. */
const burstShare = 0.5;

const encoder = new TextEncoder();

/** The length of a text on the wire, in UTF-8 bytes. */
export function wireBytes(text: string): number {
  return encoder.encode(text).length;
}

/**
 * The unanswered commands of one connection. They are sent at the rate that the gateway's hello states. The commands in
 * flight and the waiting ones are bounded. Commands about subscriptions and the connection itself go before calls, and
 * are never refused for their number.
 */
export class CommandQueue {
  readonly #limits: Hello['limits'];
  /** Time of one command at the rate, and by how much commands may run ahead of it, in milliseconds. */
  readonly #intervalMs: number;
  readonly #burstMs: number;
  /** Time at which the commands that were sent would all have gone out at the rate. */
  #evenAt = -Infinity;
  readonly #urgent: QueuedCommand[] = [];
  readonly #calls: QueuedCommand[] = [];
  readonly #inFlight = new Map<number, number>();
  #waitingBytes = 0;
  #inFlightBytes = 0;

  constructor(limits: Hello['limits']) {
    const { commandsPerSecondMax } = limits;
    this.#limits = limits;
    this.#intervalMs = 1000 / (commandsPerSecondMax * rateShare);
    this.#burstMs = this.#intervalMs * Math.max(0, Math.floor(commandsPerSecondMax * burstShare) - 1);
  }

  /** Most bytes of one command on the wire. */
  get frameBytesMax(): number {
    return this.#limits.frameBytesMax;
  }

  /** Most waiting calls. */
  get waitingMax(): number {
    return Math.max(1, Math.floor(this.#limits.commandsPerSecondMax * waitingSecondsMax));
  }

  /** Adds a command, or returns why it is refused. */
  add(id: number, text: string, isCall: boolean): QueueRefusal | undefined {
    const bytes = wireBytes(text);
    if (bytes > this.#limits.frameBytesMax) return 'too_large';
    if (!isCall) {
      this.#urgent.push({ id, text, bytes });
      return undefined;
    }
    if (this.#calls.length >= this.waitingMax || this.#waitingBytes + bytes > waitingBytesMax) return 'full';
    this.#calls.push({ id, text, bytes });
    this.#waitingBytes += bytes;
    return undefined;
  }

  /** The next step now. A returned command counts as sent. */
  step(now: number): QueueStep {
    const next = this.#urgent[0] ?? this.#calls[0];
    // Bytes in flight are bounded because the gateway bounds its waiting commands too. Two commands of any length fit.
    if (next === undefined || this.#inFlight.size >= inFlightMax || this.#inFlightBytes + next.bytes > 2 * this.#limits.frameBytesMax) {
      return { kind: 'idle' };
    }
    const evenAt = Math.max(this.#evenAt, now);
    // Whole milliseconds, less a rounding error: timers count in them.
    const ms = Math.ceil(evenAt - now - this.#burstMs - 1e-6);
    if (ms > 0) return { kind: 'wait', ms };
    this.#evenAt = evenAt + this.#intervalMs;
    if (this.#urgent.shift() === undefined) {
      this.#calls.shift();
      this.#waitingBytes -= next.bytes;
    }
    this.#inFlight.set(next.id, next.bytes);
    this.#inFlightBytes += next.bytes;
    return { kind: 'send', command: next };
  }

  /** A command was answered, or its answer is not wanted any more. */
  forget(id: number): void {
    const bytes = this.#inFlight.get(id);
    if (bytes !== undefined) {
      this.#inFlight.delete(id);
      this.#inFlightBytes -= bytes;
      return;
    }
    for (const lane of [this.#urgent, this.#calls]) {
      const at = lane.findIndex((command) => command.id === id);
      if (at < 0) continue;
      if (lane === this.#calls) this.#waitingBytes -= lane[at]?.bytes ?? 0;
      lane.splice(at, 1);
      return;
    }
  }
}

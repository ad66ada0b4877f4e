import type { TransportName } from './transport/transport.ts';
import type { WebSocketClass } from './transport/web-socket.ts';

/** What an application publishes, as it was when it was handed over. */
export interface HandedData {
  /** Bytes are a copy. */
  readonly data: unknown;
  readonly json?: string | undefined;
  /** Why there is no JSON. */
  readonly cause?: unknown;
}

/** Reads what is to be published: the application may change it, or use its buffer again, at once. */
export function handedData(data: unknown): HandedData {
  if (ArrayBuffer.isView(data)) return { data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice() };
  // Compared by name: a buffer may come from another frame, which has other classes.
  if (nameOf(data) === 'ArrayBuffer') return { data: new Uint8Array(data as ArrayBuffer).slice() };
  try {
    return { data, json: typeof data === 'object' ? JSON.stringify(data) : undefined };
  } catch (cause) {
    return { data, cause };
  }
}

/** @throws TypeError for a text that names no channel */
export function channelOf(channel: unknown): string {
  const isGood = (value: unknown): boolean => isText(value) && value !== '';
  return checked('a channel', channel ?? null, isGood, "named by text such as 'video:1'") as string;
}

/** @throws TypeError for a density that is neither a number nor absent */
export function densityOf(density: unknown): number | undefined {
  return numberOf('density', density);
}

/**
 * Most publications that wait for a loop.
 * @throws TypeError for anything but a whole number above 0
 */
export function bufferMaxOf(bufferMax: unknown): number {
  return wholeOf('bufferMax', bufferMax) ?? 1000;
}

/** @throws TypeError for a delay that is neither a function nor absent */
export function delayOf<T>(delay: T): T {
  return checked('delay', delay, isFunction, 'a function that gives milliseconds');
}

/** @throws TypeError for a `getState` that is neither a function nor absent */
export function getStateOf<T>(getState: T): T {
  return checked('getState', getState, isFunction, 'a function that gives a promise of the state');
}

/**
 * Newest publications to begin with.
 * @throws TypeError for anything but a whole number above 0
 */
export function rewindOf(rewind: unknown): number | undefined {
  return wholeOf('rewind', rewind);
}

/** @throws TypeError for a token that is neither text nor a function nor absent */
export function tokenOf<T>(token: T): T {
  return checked('token', token, (value) => isText(value) || isFunction(value), 'text or a function that gives text');
}

/**
 * The transports that may be used, the best first.
 * @throws TypeError for anything but a list of some of the three
 */
export function transportsOf(transports: unknown): readonly TransportName[] {
  const isGood = (value: unknown): boolean =>
    Array.isArray(value) && value.length > 0 && value.every((each) => allTransports.includes(each));
  const given = checked('transports', transports, isGood, `a list of some of ${allTransports.join(', ')}, the best first`);
  return [...new Set((given ?? allTransports) as readonly TransportName[])];
}

/**
 * The class that makes WebSockets; `undefined` where there is none and none is needed.
 * @param own the platform's
 * @throws TypeError where there is none and one is needed, and for a value that is no class
 */
export function webSocketOf(
  given: unknown,
  own: WebSocketClass | undefined,
  transports: readonly TransportName[],
): WebSocketClass | undefined {
  const webSocket = (checked('webSocket', given, isFunction, 'a class') ?? own) as WebSocketClass | undefined;
  if (webSocket === undefined && transports.includes('websocket'))
    throw new TypeError('there is no WebSocket here: give a class as the option webSocket, such as that of the package ws');
  return webSocket;
}

/** @throws TypeError for options that are no object */
export function optionsOf(options: unknown): Readonly<Record<string, unknown>> {
  const isGood = (value: unknown): boolean => typeof value === 'object' && value !== null;
  return checked('options', options ?? null, isGood, 'an object') as Readonly<Record<string, unknown>>;
}

const allTransports: readonly string[] = ['websocket', 'sse', 'pull'];

/** @throws TypeError unless the value is absent or good */
export function checked<T>(name: string, value: T, isGood: (value: unknown) => boolean, what: string): T {
  if (value !== undefined && !isGood(value)) throw new TypeError(`${name} is ${what}, and not ${nameOf(value)}`);
  return value;
}

function numberOf(name: string, value: unknown): number | undefined {
  return checked(name, value, Number.isFinite, 'a finite number') as number | undefined;
}

function wholeOf(name: string, value: unknown): number | undefined {
  const isGood = (number: unknown): boolean => Number.isSafeInteger(number) && (number as number) > 0;
  return checked(name, value, isGood, 'a whole number of publications, at least 1') as number | undefined;
}

/** Whether a value is text. */
export function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}

/** What a value is, for people. */
export function nameOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'object') return Object.prototype.toString.call(value).slice('[object '.length, -1);
  return typeof value === 'number' || typeof value === 'string'
    ? `the ${typeof value} ${JSON.stringify(value).slice(0, 40)}`
    : typeof value;
}

import assert from 'node:assert/strict';

/**
 * A client id names one connection in the whole pool: gateway number × 2^40 + a rising number. It stays below 2^53, so
 * that it survives as a JSON number. CONNMIX's PHP client types it as an integer.
 */
const numbersPerGateway = 2 ** 40;
export const gatewayNumberMax = 2 ** 13 - 1;

/** The gateway that holds this client's connection. */
export function gatewayNumberOf(clientId: number): number {
  return Math.floor(clientId / numbersPerGateway);
}

/** Reads a client id from a JSON string or number; `undefined` for a value that no gateway issues. */
export function parseClientId(value: unknown): number | undefined {
  const id = typeof value === 'string' && /^[0-9]{1,16}$/.test(value) ? Number(value) : value;
  return typeof id === 'number' && Number.isSafeInteger(id) && id > 0 ? id : undefined;
}

const secondsSince = Date.UTC(2026, 0, 1) / 1000;
const idsPerSecond = 4096;

/**
 * Issues the client ids of one gateway. Ids start from the clock, 4,096 for each second. So a gateway that takes over a
 * number repeats no id, unless its predecessor accepted more than 4,096 connections a second throughout.
 */
export class ClientIds {
  readonly #base: number;
  #next: number;

  constructor(gatewayNumber: number, now: number) {
    assert(Number.isInteger(gatewayNumber) && gatewayNumber >= 1 && gatewayNumber <= gatewayNumberMax);
    this.#base = gatewayNumber * numbersPerGateway;
    this.#next = Math.max(0, Math.floor((now / 1000 - secondsSince) * idsPerSecond)) % numbersPerGateway;
  }

  next(): number {
    const id = this.#base + this.#next;
    this.#next = (this.#next + 1) % numbersPerGateway;
    return id;
  }
}

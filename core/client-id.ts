import assert from 'node:assert/strict';

/**
 * A client id names one connection in the whole pool: gateway number × 2^40 + a rising number.
 * It stays below 2^53, so that it survives as a JSON number (CONNMIX's PHP client types it as an integer).
 */
const numbersPerGateway = 2 ** 40;
export const gatewayNumberMax = 2 ** 13 - 1;

/** The gateway that holds this client's connection. */
export function gatewayNumberOf(clientId: number): number {
  return Math.floor(clientId / numbersPerGateway);
}

/** Reads a client id from a JSON string or number; `undefined` where it can't be one of ours. */
export function parseClientId(value: unknown): number | undefined {
  const id = typeof value === 'string' && /^[0-9]{1,16}$/.test(value) ? Number(value) : value;
  return typeof id === 'number' && Number.isSafeInteger(id) && id > 0 ? id : undefined;
}

const secondsSince = Date.UTC(2026, 0, 1) / 1000;
const idsPerSecond = 4096;

/**
 * Hands out client ids of one gateway. It starts from the clock, 4,096 ids to a second, so that a gateway that takes
 * over a number does not repeat its predecessor's ids unless that one accepted more than 4,096 connections a second all
 * its life.
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

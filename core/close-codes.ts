/** The code of a connection that was closed in order. */
export const normalClosure = 1000;

/**
 * Close codes of gateways. 1000–1999 are RFC 6455's. After 4000–4499 the client may come back; after 4500–4999 it may
 * not. No close code is written elsewhere. `closeBecause` replaces the table's reason with a more exact one.
 */
export const closeCodes = {
  normal: { code: normalClosure, reason: 'closed', reconnect: false },
  /** A drain: another gateway is ready. It moves plain clients too. */
  goingAway: { code: 1012, reason: 'the gateway is leaving, come back', reconnect: true },
  overloaded: { code: 1013, reason: 'the gateway is full, come back later', reconnect: true },
  internal: { code: 1011, reason: 'internal error', reconnect: true },
  slow: { code: 4000, reason: 'too slow: the bytes waiting for this connection reached their limit', reconnect: true },
  idle: { code: 4001, reason: 'nothing was received within the idle time', reconnect: true },
  authTimeout: { code: 4002, reason: 'the auth service gave no usable answer in time', reconnect: true },
  tooManyCommands: { code: 4003, reason: 'too many commands', reconnect: true },
  badCommand: { code: 4500, reason: 'not a command of this protocol', reconnect: false },
  authRefused: { code: 4501, reason: 'the token was refused, or has expired', reconnect: false },
  forbidden: { code: 4502, reason: 'not allowed', reconnect: false },
  tooLarge: { code: 1009, reason: 'message too big', reconnect: false },
} as const satisfies Record<string, CloseCode>;

export interface CloseCode {
  readonly code: number;
  readonly reason: string;
  readonly reconnect: boolean;
  /** The reason for a log, where `reason` quotes the client. */
  readonly logged?: string;
}

/** Longest reason of a close frame, in UTF-8 bytes (RFC 6455, 5.5: 125 with the code). */
export const closeReasonBytesMax = 123;

/**
 * The same close with a more exact reason. A reason beyond the bound is cut at a character, and ends in `…`.
 * @param logged the reason for a log, where `reason` quotes the client
 */
export function closeBecause({ code, reconnect }: CloseCode, reason: string, logged?: string): CloseCode {
  return { code, reason: cutReason(reason.toWellFormed()), reconnect, ...(logged === undefined ? {} : { logged }) };
}

const utf8 = /* @__PURE__ */ new TextEncoder();
const cutMark = '…';

function cutReason(reason: string): string {
  if (utf8.encode(reason).length <= closeReasonBytesMax) return reason;
  let left = closeReasonBytesMax - utf8.encode(cutMark).length;
  let cut = '';
  for (const character of reason) {
    left -= utf8.encode(character).length;
    if (left < 0) break;
    cut += character;
  }
  return cut + cutMark;
}

/** Whether a client should come back after this close code. Codes that the network made (1006, 1001) mean yes. */
export function reconnectsAfter(code: number): boolean {
  if (code >= 4500 && code <= 4999) return false;
  return !neverAgain.has(code);
}

// 1002, 1003, 1007, 1008, 1009 and 1010 mean that this client breaks the protocol; it would do so again.
const neverAgain = new Set([normalClosure, 1002, 1003, 1007, 1008, 1009, 1010]);

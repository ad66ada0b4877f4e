import type { BackoffBounds } from '../../core/backoff.ts';
import { limits } from '../../core/limits.ts';
import type { Hello } from '../../core/protocol/barrage-v1.ts';

/** Share of a ping interval in which a client waits for its pong. */
const pongShare = 0.4;

/** The first message to a client: its number, the time in Unix milliseconds, and what it must keep to. */
export function helloOf(id: number, now: number, { pingIntervalMs }: { readonly pingIntervalMs: number }, backoff: BackoffBounds): Hello {
  return {
    type: 'hello',
    client: String(id),
    now,
    pingIntervalMs,
    pongTimeoutMs: Math.round(pingIntervalMs * pongShare),
    backoff,
    limits: {
      frameBytesMax: limits.clientFrameBytesMax,
      subscriptionsMax: limits.subscriptionsPerConnectionMax,
      commandsPerSecondMax: limits.commandsPerSecondMax,
    },
  };
}

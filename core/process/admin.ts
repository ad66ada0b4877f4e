import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { openMetricsOf, wantsOpenMetrics } from './open-metrics.ts';

/** Conditions that a process still waits for before it can serve, in words; empty = ready. */
export type Waiting = readonly string[];

export interface AdminSources {
  readonly registry: Registry;
  readonly waitingFor: () => Waiting;
}

/**
 * Answers `/livez`, `/readyz` and `/metrics`; `false` for any other path. `/livez` only shows that the event loop
 * turns: a Redis outage must not restart gateways.
 */
export function answerAdmin(sources: AdminSources, request: IncomingMessage, response: ServerResponse): boolean {
  const path = /^\/(?:livez|readyz|metrics)(?=\?|$)/.exec(request.url ?? '')?.[0];
  if (path === undefined) return false;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD', 'content-type': 'text/plain' }).end('use GET\n');
    return true;
  }
  if (path === '/livez') {
    response.writeHead(200, { 'content-type': 'text/plain' }).end('alive\n');
  } else if (path === '/readyz') {
    const waiting = sources.waitingFor();
    response
      .writeHead(waiting.length === 0 ? 200 : 503, { 'content-type': 'text/plain' })
      .end(waiting.length === 0 ? 'ready\n' : `waiting for: ${waiting.join('; ')}\n`);
  } else {
    const registry = wantsOpenMetrics(request.headers.accept) ? openMetricsOf(sources.registry) : sources.registry;
    void registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType, vary: 'accept' }).end(text),
      () => response.writeHead(500).end(),
    );
  }
  return true;
}

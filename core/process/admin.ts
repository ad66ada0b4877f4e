import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';

/** What a process is still waiting for before it can serve, in words; empty = ready. */
export type Waiting = readonly string[];

export interface AdminSources {
  readonly registry: Registry;
  readonly waitingFor: () => Waiting;
}

/**
 * Answers `/livez`, `/readyz` and `/metrics`; `false` where the path is none of them.
 * `/livez` says that the event loop turns and looks at nothing else: a Redis outage must not restart gateways.
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
    void sources.registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': sources.registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  }
  return true;
}

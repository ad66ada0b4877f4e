import type { ServerResponse } from 'node:http';

/** Whether a request is one to publish, or would change something: nothing of that kind is on the clients' port. */
export function isForPublisher({
  method = '',
  url = '',
}: {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}): boolean {
  return /^\/v1\/mesh(?:[/?]|$)/.test(url) || !['GET', 'HEAD', 'OPTIONS'].includes(method);
}

/** Tells where to publish, in the form of the publish API's refusals. */
export function sendToPublisher(response: ServerResponse): void {
  const message =
    "clients connect here with a WebSocket; to publish, POST /v1/mesh/publish to the publisher's port (BARRAGE_PUBLISHER_PORT, 6789 unless it is set)";
  response.writeHead(404, { 'content-type': 'application/json; charset=utf-8' }).end(`${JSON.stringify({ E: { c: 505, m: message } })}\n`);
}

/** Answers a request that is for nobody here. */
export function askForWebSocket(response: ServerResponse): void {
  response.writeHead(426, { 'content-type': 'text/plain', upgrade: 'websocket', connection: 'Upgrade' }).end('connect with a WebSocket\n');
}

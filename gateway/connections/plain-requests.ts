import type { ServerResponse } from 'node:http';

/** Whether a request is to publish or to change state. The clients' port serves no such request. */
export function isForPublisher({
  method = '',
  url = '',
}: {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}): boolean {
  return /^\/v1\/mesh(?:[/?]|$)/.test(url) || !['GET', 'HEAD', 'OPTIONS'].includes(method);
}

/** Refuses a request and tells where to publish, in the form of the publish API's refusals. */
export function sendToPublisher(response: ServerResponse): void {
  const message =
    "clients connect here with a WebSocket; to publish, POST /v1/mesh/publish to the publisher's port (BARRAGE_PUBLISHER_PORT, 6789 unless it is set)";
  response.writeHead(404, { 'content-type': 'application/json; charset=utf-8' }).end(`${JSON.stringify({ E: { c: 505, m: message } })}\n`);
}

/** Answers a request that nothing here serves. */
export function askForWebSocket(response: ServerResponse): void {
  response.writeHead(426, { 'content-type': 'text/plain', upgrade: 'websocket', connection: 'Upgrade' }).end('connect with a WebSocket\n');
}

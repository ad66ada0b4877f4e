import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerConnect, type ConnectState } from './connect-answer.ts';

/** Answers `GET /v1/connect`. Any page may ask: the answer holds only addresses to which the asker may connect. */
export function sendConnectAnswer(request: IncomingMessage, response: ServerResponse, state: ConnectState): void {
  const { method = '', url = '', headers, socket } = request;
  const { status, body } = answerConnect({ method, url, headers, socket }, state);
  const headersOut = {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'access-control-allow-origin': '*',
  };
  response.writeHead(status, headersOut).end(method === 'HEAD' ? undefined : JSON.stringify(body));
}

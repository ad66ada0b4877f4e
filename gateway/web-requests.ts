import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { answerAdmin, type AdminSources } from '../core/process/admin.ts';
import { askForWebSocket, isForPublisher, sendToPublisher } from './connections/plain-requests.ts';
import { isConnectRequest, type ConnectState } from './moving/connect-answer.ts';
import { sendConnectAnswer } from './moving/connect-response.ts';
import type { PullEndpoint } from './pull/pull-endpoint.ts';
import { isPullRequest } from './pull/pull-request.ts';
import type { ScriptEndpoint } from './script/script-endpoint.ts';
import { isScriptRequest } from './script/script-request.ts';
import type { StreamEndpoint } from './streams/stream-endpoint.ts';
import { isStreamRequest } from './streams/stream-request.ts';

/** What answers the requests on the clients' port that are no handshakes. */
export interface WebParts {
  /** Absent: it has a port of its own. */
  readonly admin: AdminSources | undefined;
  readonly connectState: () => ConnectState;
  readonly pull: PullEndpoint;
  readonly script: ScriptEndpoint;
  readonly streams: StreamEndpoint;
  /** Pages, for what nothing else serves. */
  readonly site: RequestListener | undefined;
}

/** Answers a request on the clients' port. */
export function answerRequest(request: IncomingMessage, response: ServerResponse, parts: WebParts): void {
  const { admin, connectState, pull, script, streams, site } = parts;
  // An answer would stand in the middle of the stream.
  if (streams.holds(request.socket)) return void request.socket.destroy();
  if (admin !== undefined && answerAdmin(admin, request, response)) return;
  if (isConnectRequest(request.url)) sendConnectAnswer(request, response, connectState());
  else if (isStreamRequest(request.url)) void streams.answer(request, response);
  else if (isPullRequest(request.url)) void pull.answer(request, response);
  else if (isScriptRequest(request.method, request.url)) void script.answer(request, response);
  else if (isForPublisher(request)) sendToPublisher(response);
  else if (site !== undefined) site(request, response);
  else askForWebSocket(response);
}

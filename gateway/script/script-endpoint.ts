import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Counter } from 'prom-client';
import type { GatewayJournal } from '../accounts/log-lines.ts';
import { readScriptFiles, type ScriptFiles } from './script-files.ts';
import { answerScript } from './script-request.ts';

export interface ScriptEndpointOptions {
  readonly requests: Counter<'result'>;
  readonly journal: GatewayJournal;
  /** Default: the SDK of this installation. */
  readonly read?: () => Promise<ScriptFiles | undefined>;
}

/** Serves the SDK to pages: `/barrage.js`. The files are read, or made, and compressed once, at the first request. */
export class ScriptEndpoint {
  readonly #options: ScriptEndpointOptions;
  #files: Promise<ScriptFiles | undefined> | undefined;

  constructor(options: ScriptEndpointOptions) {
    this.#options = options;
  }

  /** Answers one request; never rejects. */
  async answer({ method = '', url = '', headers: asked }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { requests, journal, read = readScriptFiles } = this.#options;
    this.#files ??= read().catch((error: unknown) => {
      journal.write('script-failed', { err: error });
      return undefined;
    });
    const acceptEncoding = asked['accept-encoding']?.toString();
    const request = { method, url, acceptEncoding, ifNoneMatch: asked['if-none-match'] };
    const { result, status, headers, body } = answerScript(request, await this.#files);
    requests.inc({ result });
    response.writeHead(status, headers).end(body);
  }
}

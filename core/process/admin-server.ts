import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerAdmin, type AdminSources } from './admin.ts';
import { AdminApi, type AdminApiParts } from './admin-api.ts';
import { createHttpServer } from './http-server.ts';
import { listen } from './lifecycle.ts';
import { plainText } from './plain-answer.ts';

/** Most sockets that stay open on an admin port: of probes, of the operator, and of readers of metrics. */
const socketsMax = 256;
const headersMs = 10_000;
const requestMs = 30_000;

/** Answers the requests that are its own; `false` for any other. */
export interface Pages {
  answer(request: IncomingMessage, response: ServerResponse): boolean;
}

/** The admin endpoints on a port of their own. */
export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves `/livez`, `/readyz` and `/metrics`, with `api` the operator's endpoints, and with `pages` the operations page.
 * @throws the system's error when the port is taken
 */
export async function startAdminServer(
  sources: AdminSources,
  address: { readonly host: string; readonly port: number; readonly keepAliveMs: number },
  { api, pages }: { readonly api?: AdminApiParts; readonly pages?: Pages } = {},
): Promise<AdminServer> {
  const operatorApi = api === undefined ? undefined : new AdminApi(api);
  const { server } = createHttpServer({
    request: (request, response) => {
      if (answerAdmin(sources, request, response) || operatorApi?.answer(request, response) === true) return;
      if (pages?.answer(request, response) === true) return;
      const here = pages === undefined ? '/livez, /readyz and /metrics' : '/livez, /readyz, /metrics and /ops';
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`here are ${here}\n`);
    },
    unreadable: { form: plainText },
    keepAliveMs: address.keepAliveMs,
    headersMs,
    requestMs,
    socketsMax,
  });
  const port = await listen(server, address);
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

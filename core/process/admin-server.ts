import { createServer } from 'node:http';
import { answerAdmin, type AdminSources } from './admin.ts';
import { AdminApi, type AdminApiParts } from './admin-api.ts';
import { listen } from './lifecycle.ts';

/** The admin endpoints on a port of their own. */
export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves `/livez`, `/readyz` and `/metrics`, and with `api` what the operator needs.
 * @throws the system's error where the port can't be had
 */
export async function startAdminServer(
  sources: AdminSources,
  address: { readonly host: string; readonly port: number },
  api?: AdminApiParts,
): Promise<AdminServer> {
  const operatorApi = api === undefined ? undefined : new AdminApi(api);
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000 }, (request, response) => {
    if (answerAdmin(sources, request, response) || operatorApi?.answer(request, response) === true) return;
    response.writeHead(404, { 'content-type': 'text/plain' }).end('here are /livez, /readyz and /metrics\n');
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

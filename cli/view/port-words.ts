/** What the answer of a port says about the port. */

/**
 * Why no client can connect to a port that answers `GET /v1/connect` like this.
 * @returns the rest of a sentence; `undefined` where the answer does not tell
 */
export function clientsPortFault(status: number, text: string): string | undefined {
  if (status === 400 && text.includes('this port speaks TLS')) return `answers: ${text.trim().slice(0, 200)}`;
  // The words with which a publisher tells what it has.
  if (status === 404 && text.includes('POST /v1/mesh/publish')) return "is a publisher: name the clients' port of a gateway with --url";
  return undefined;
}

/** What to do where a port answers 404 to `/readyz` or `/metrics`; the rest of a sentence. */
export const operationsElsewhere =
  "has no operations: if this is a gateway's port, name its admin port (BARRAGE_ADMIN_PORT) with --admin-url";

/** What a process waits for, by its answer to `GET /readyz`; empty: it is ready, or does not tell. */
export function waitingIn(status: number, text: string): readonly string[] {
  if (status !== 503) return [];
  const words = text.trim().replace(/^waiting for: /, '');
  return words === '' ? ['an unknown condition'] : words.slice(0, 1000).split('; ');
}

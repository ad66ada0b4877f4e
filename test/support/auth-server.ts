import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/**
 * What the webhook answers to a token; `never` keeps the caller waiting, `cut` breaks off without a word, `half` within
 * the answer.
 */
export type AuthAnswer = { readonly status: number; readonly body: string } | 'never' | 'cut' | 'half';

/** A real auth webhook. It ends with the test. */
export async function startAuthServer(answers: Readonly<Record<string, AuthAnswer>>): Promise<{
  readonly url: string;
  readonly bodies: readonly string[];
  /** The `Authorization` of each request. */
  readonly logins: readonly (string | undefined)[];
  readonly stop: () => Promise<void>;
}> {
  const bodies: string[] = [];
  const logins: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      logins.push(request.headers.authorization);
      bodies.push(`${request.method} ${request.headers['content-type']} ${body}`);
      const { token } = JSON.parse(body) as { token: string };
      const answer = answers[token] ?? { status: 401, body: '{}' };
      if (answer === 'cut') request.socket.destroy();
      else if (answer === 'half') response.writeHead(200, { 'content-length': '100' }).write('{"uid"', () => request.socket.destroy());
      else if (answer !== 'never') response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/auth`;
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  onTestFinished(stop);
  return { url, bodies, logins, stop };
}

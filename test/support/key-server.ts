import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { onTestFinished } from 'vitest';

/** A key pair of an issuer of tokens. */
export interface SigningKey {
  readonly kid: string;
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

export async function signingKey(kid: string, algorithm: string): Promise<SigningKey> {
  return { kid, algorithm, ...(await generateKeyPair(algorithm, { extractable: true })) };
}

/** A token with these claims and no others. */
export function tokenBy({ kid, algorithm, privateKey }: SigningKey, claims: JWTPayload): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: algorithm, kid }).sign(privateKey);
}

/** The key set as JSON text. */
export async function keySet(keys: readonly SigningKey[]): Promise<string> {
  const shown = await Promise.all(
    keys.map(async ({ kid, algorithm, publicKey }) => ({ ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' })),
  );
  return JSON.stringify({ keys: shown });
}

/** What the address of the keys answers; `never` keeps the caller waiting, `cut` ends the connection. */
export type KeysAnswer = { readonly status: number; readonly body: string } | 'never' | 'cut';

/** A real address of public keys. It ends with the test. */
export async function startKeyServer(first: KeysAnswer): Promise<{
  readonly url: string;
  answer: KeysAnswer;
  readonly requests: readonly string[];
  /** The `Authorization` of each request. */
  readonly logins: readonly (string | undefined)[];
}> {
  const requests: string[] = [];
  const logins: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    logins.push(request.headers.authorization);
    if (keys.answer === 'cut') request.socket.destroy();
    else if (keys.answer !== 'never') response.writeHead(keys.answer.status, { 'content-type': 'application/json' }).end(keys.answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const keys = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`, answer: first, requests, logins };
  return keys;
}

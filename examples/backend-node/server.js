import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { BarrageBackend, BarrageBackendError } from '@barrage-live/backend';
import { TokenSigner } from '@barrage-live/backend/tokens';
import { faultOf, mayWrite } from './comments.js';

const { BARRAGE_URL = 'http://localhost:6789', BARRAGE_API_KEY, BARRAGE_JWT_SECRET = '', PORT = '8080', HOST = '127.0.0.1' } = process.env;
const barrage = new BarrageBackend({ url: BARRAGE_URL, apiKey: BARRAGE_API_KEY, timeoutMs: 10_000 });
const tokens = new TokenSigner({ secret: BARRAGE_JWT_SECRET });
const bodyBytesMax = 8_192;

/** Paths by method; each answers with a status and a body. */
const routes = {
  // Put your own sign-in before it: this one believes everybody.
  'GET /token': async ({ query }) => {
    const user = query.get('user') ?? '';
    if (!/^[\w-]{1,64}$/.test(user)) return [400, { error: 'user: letters, digits, _ and -' }];
    return [200, { token: tokens.sign(user, { expiresInSeconds: 3_600 }) }];
  },

  'POST /comments': async ({ user, body }) => {
    if (user === undefined) return [401, { error: 'sign in again' }];
    const { channel, text } = body;
    if (typeof channel !== 'string' || !/^video:\w{1,64}$/.test(channel)) return [400, { error: 'channel: video:NAME' }];
    const fault = faultOf(text);
    if (fault !== undefined) return [422, { error: fault }];
    if (!mayWrite(user)) return [429, { error: 'not so fast' }];
    const { offset } = await barrage.publish(channel, { user, text }, { user });
    return [201, { offset }];
  },

  // For gateways with BARRAGE_AUTH_URL in place of the secret.
  'POST /auth': async ({ body }) => {
    const uid = typeof body.token === 'string' ? tokens.userOf(body.token) : undefined;
    return uid === undefined ? [401, { error: 'no such token' }] : [200, { uid }];
  },
};

async function answer(request) {
  const { pathname, searchParams: query } = new URL(request.url, 'http://localhost');
  const route = routes[`${request.method} ${pathname}`];
  if (route === undefined) return [404, { error: 'there are GET /token, POST /comments and POST /auth' }];
  if (Number(request.headers['content-length'] ?? 0) > bodyBytesMax) return [413, { error: 'too long' }];
  if (request.method === 'POST' && request.headers['content-length'] === undefined) return [411, { error: 'send a Content-Length' }];
  const body = request.method === 'POST' ? await json(request).catch(() => undefined) : {};
  if (typeof body !== 'object' || body === null) return [400, { error: 'send a JSON object' }];
  const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ');
  return route({ query, body, user: scheme === 'Bearer' ? tokens.userOf(token) : undefined });
}

const server = createServer(async (request, response) => {
  const [status, body] = await answer(request).catch((error) => {
    console.error(error);
    // What failed for good is our fault; what did not is worth another try.
    return error instanceof BarrageBackendError && error.retry ? [503, { error: 'try again' }] : [500, { error: 'our mistake' }];
  });
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
});
server.listen(Number(PORT), HOST, () => console.log(`http://${HOST}:${server.address().port}`));

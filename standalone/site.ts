import { createHash } from 'node:crypto';
import type { RequestListener } from 'node:http';

export interface Page {
  readonly contentType: string;
  readonly body: Buffer;
}

/** Content policy: only the site's own files. WebSockets may go anywhere, so that a page can use another gateway. */
const headers = {
  'content-security-policy':
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
};

/** Facts for the pages that they can't know by themselves; served as `/demo.json`. */
export interface DemoFacts {
  readonly publisherPort: number;
  readonly publisherHasTls: boolean;
  readonly publisherHasKeys: boolean;
}

const noSuchPage =
  'there is no such page: try / and /emit. Where BARRAGE_ADMIN_PORT is set, /ops, /metrics, /livez and /readyz are on that port.\n';

/** Serves a fixed set of files by path. The answer for an unchanged file is 304. */
export function serveSite(pages: ReadonlyMap<string, Page>, facts: () => DemoFacts): RequestListener {
  const etags = new Map(
    [...pages].map(([path, { body }]) => [path, `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`]),
  );
  return (request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    if (path === '/demo.json') {
      response.writeHead(200, { ...headers, 'content-type': 'application/json' }).end(JSON.stringify(facts()));
      return;
    }
    const page = pages.get(path);
    if (page === undefined) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end(noSuchPage);
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD', 'content-type': 'text/plain' }).end('use GET\n');
    } else {
      const etag = etags.get(path) ?? '';
      const isKnown = request.headers['if-none-match'] === etag;
      response.writeHead(isKnown ? 304 : 200, { ...headers, etag, 'content-type': page.contentType });
      response.end(isKnown || request.method === 'HEAD' ? undefined : page.body);
    }
  };
}

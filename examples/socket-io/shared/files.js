import { readFile } from 'node:fs/promises';

const types = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' };
const shared = ['flying.js', 'form.js', 'style.css'];

/** Serves the two pages of a folder, and what both folders share. */
export function serveFiles(folder) {
  const files = new Map([
    ['/', new URL('index.html', folder)],
    ['/emit', new URL('emit.html', folder)],
    ...shared.map((name) => [`/${name}`, new URL(name, import.meta.url)]),
  ]);
  return async (request, response) => {
    const file = files.get(request.url);
    if (file === undefined) return response.writeHead(404).end('not found\n');
    response.writeHead(200, { 'content-type': types[file.pathname.split('.').at(-1)] }).end(await readFile(file));
  };
}

/** Listens on this machine, and says where. */
export function listen(server, port) {
  server.listen(port, '127.0.0.1', () => console.log(`http://localhost:${server.address().port}/ shows, /emit sends`));
}

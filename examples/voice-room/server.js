import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { Refusal, Room } from './room.js';

const publisher = process.env.BARRAGE_PUBLISHER ?? 'http://localhost:6789';
const channel = 'voice:lobby';
const bodyBytesMax = 1_000;
const pages = { '/': ['index.html', 'text/html; charset=utf-8'], '/room.js': ['room.js', 'text/javascript; charset=utf-8'] };

const room = new Room(async (change, how) => {
  const response = await fetch(`${publisher}/v1/mesh/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${process.env.BARRAGE_API_KEY ?? ''}` },
    body: JSON.stringify({ c: channel, d: JSON.stringify(change), ...how }),
  });
  const { E: error } = await response.json();
  if (error !== null) throw new Refusal(502, `the room's change was not published: ${error.m}`);
});

async function answer(request) {
  if (request.method === 'GET' && request.url === '/state') return room.state;
  if (request.method !== 'POST') throw new Refusal(404, 'not found');
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > bodyBytesMax) throw new Refusal(413, 'too long');
  }
  const wish = readObject(text);
  if (request.url === '/join') return room.join(wish);
  if (request.url === '/act') return room.act(wish);
  throw new Refusal(404, 'not found');
}

function readObject(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    throw new Refusal(400, 'the body is no JSON');
  }
}

const server = createServer(async (request, response) => {
  const [file, type] = pages[request.url] ?? [];
  if (file !== undefined) {
    response.writeHead(200, { 'content-type': type }).end(await readFile(new URL(`public/${file}`, import.meta.url)));
    return;
  }
  try {
    const result = (await answer(request)) ?? {};
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result));
  } catch (error) {
    const { status = 502, message } = error;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error: message }));
  }
});

setInterval(() => room.sweep().catch(({ message }) => console.error(message)), 10_000).unref();
server.listen(process.env.PORT ?? 3000, '127.0.0.1', () => console.log(`the room: http://localhost:${server.address().port}/`));

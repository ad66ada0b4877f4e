import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { connect as connectTls } from 'node:tls';
import { clientFrame, upgradeRequest } from '../support/raw-socket.ts';

// Clients of a gateway for `tls.ts`. Arguments: PORT COUNT CA_FILE; without CA_FILE they speak plain HTTP. It prints
// `ready` when all are subscribed, and answers `count` with the publications that have come to all of them.
const [portText = '', countText = '', caFile = ''] = process.argv.slice(2);
const port = Number(portText);
const ca = caFile === '' ? undefined : readFileSync(caFile);
const atOnce = 16;
const marker = '#seq=';
let publications = 0;

const sockets: Socket[] = [];
while (sockets.length < Number(countText)) {
  const opening = Math.min(atOnce, Number(countText) - sockets.length);
  sockets.push(...(await Promise.all(Array.from({ length: opening }, subscribed))));
}
const lines = createInterface({ input: process.stdin });
lines.on('line', () => process.stdout.write(`${publications}\n`));
lines.on('close', () => process.exit(0));
process.stdout.write('ready\n');

async function subscribed(): Promise<Socket> {
  const host = '127.0.0.1';
  const socket = ca === undefined ? connectTcp({ port, host }) : connectTls({ port, host, ca });
  await once(socket, ca === undefined ? 'connect' : 'secureConnect');
  socket.write(`${upgradeRequest(port, ['Sec-WebSocket-Protocol: barrage.v1'])}\r\n`);
  await until(socket, 'hello');
  socket.write(clientFrame('text', '{"id":1,"op":"subscribe","channel":"room:bench"}'));
  await until(socket, '"reply"');
  // A marker that is cut in two is rare, and shows as missing.
  socket.on('data', (chunk: Buffer) => {
    for (let at = chunk.indexOf(marker); at >= 0; at = chunk.indexOf(marker, at + marker.length)) publications++;
  });
  return socket;
}

async function until(socket: Socket, words: string): Promise<void> {
  for (let text = ''; !text.includes(words);) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    text += chunk.toString('latin1');
    assert(!socket.destroyed, text);
  }
}

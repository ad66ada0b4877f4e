import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { subprotocol } from '../../core/protocol/barrage-v1.ts';
import { channelOf } from './small-rooms.ts';

// Clients of barrage.v1, one subscription each, spread over the rooms. Arguments: PORT CONNECTIONS. Says `ready` when
// all are subscribed, and answers each line of its input with the number of publications that have arrived.
const [port = 0, connections = 0] = process.argv.slice(2).map(Number);
const connectedTogether = 50;
let publications = 0;

async function connect(index: number): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, subprotocol, { perMessageDeflate: false });
  await once(socket, 'open');
  await new Promise<void>((resolve) => {
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { readonly type: string; readonly items?: readonly unknown[] };
      if (message.type === 'reply') resolve();
      else publications += message.items?.length ?? 0;
    });
    socket.send(JSON.stringify({ id: 1, op: 'subscribe', channel: channelOf(index) }));
  });
}

for (let first = 0; first < connections; first += connectedTogether) {
  const indexes = Array.from({ length: Math.min(connectedTogether, connections - first) }, (_, index) => first + index);
  await Promise.all(indexes.map(connect));
}
process.stdout.write('ready\n');
createInterface({ input: process.stdin })
  .on('line', () => process.stdout.write(`${publications}\n`))
  .on('close', () => process.exit(0));

import { createServer } from 'node:http';
import { WebSocketServer, type WebSocket } from 'ws';
import { listen } from '../../core/process/lifecycle.ts';
import { obeyHarness } from './load.ts';

// What a fan-out costs with the `ws` library used as its documentation shows: a set of sockets, and `send` to each.
const members = new Set<WebSocket>();
const server = createServer();
new WebSocketServer({ server }).on('connection', (socket) => {
  members.add(socket);
  socket.on('error', () => socket.terminate());
  socket.on('close', () => members.delete(socket));
});
const port = await listen(server, { host: '127.0.0.1', port: 0 });
obeyHarness(port, {
  publish(payload) {
    for (const member of members) member.send(payload, { binary: false });
  },
});

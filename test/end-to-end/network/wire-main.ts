import { createSocket, type Socket } from 'node:dgram';
import { leavesAt, seededRandom, writeChecksum, type WireRules } from './wire-rules.ts';

/**
 * The wire between two namespaces: each end is a VXLAN device whose datagrams come here. A process in a namespace of
 * its own, which ends with the channel to the test.
 */
const [wireAddress = '', groundAddress = '', seed = '1'] = process.argv.slice(2);
/** By end: the port here to which its device sends, and the device's own port. */
const ends = [
  { port: 6001, devicePort: 5001 },
  { port: 6002, devicePort: 5002 },
] as const;

const random = seededRandom(Number(seed));
let rules: WireRules = {};
let passed = 0;
let lost = 0;

const sockets = ends.map(() => createSocket({ type: 'udp4', recvBufferSize: 4_194_304 }));
for (const [index, socket] of sockets.entries()) {
  const other = ends[1 - index]!;
  // Each datagram leaves by the socket to which its device's answers come.
  socket.on('message', (datagram) => carry(sockets[1 - index]!, datagram, other.devicePort));
  socket.bind(ends[index]!.port, wireAddress, () => index === 1 && process.send?.('ready'));
}

function carry(socket: Socket, datagram: Buffer, port: number): void {
  const now = performance.now();
  const at = leavesAt(datagram, rules, now, random);
  if (at === undefined) {
    lost++;
    return;
  }
  passed++;
  writeChecksum(datagram);
  if (at <= now) socket.send(datagram, port, groundAddress);
  else setTimeout(() => socket.send(datagram, port, groundAddress), at - now);
}

process.on('message', (given: WireRules) => {
  rules = given;
  process.send?.({ passed, lost });
  passed = 0;
  lost = 0;
});
process.on('disconnect', () => process.exit());

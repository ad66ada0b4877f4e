import { connect, type Server } from 'node:net';

/**
 * A process in a namespace with listening sockets of the test's namespace, which it is given: each connection is led on
 * to an address in its own namespace. It ends with the channel to the test.
 */
process.on('message', ({ host, port }: { readonly host: string; readonly port: number }, server: Server) => {
  server.on('connection', (outer) => {
    const inner = connect(port, host);
    outer.pipe(inner).pipe(outer);
    for (const socket of [outer, inner]) {
      socket.on('error', () => {});
      socket.on('close', () => (socket === outer ? inner : outer).destroy());
    }
  });
  process.send?.('open');
});
process.on('disconnect', () => process.exit());

import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Ports below those that Linux gives to outgoing connections (from 32,768), and to Services of type NodePort (from
 * 30,000). So one stays free until its program begins to listen, and while that program is away.
 */
const portsFrom = 12_000;
const portsCount = 18_000;

/** A port of loopback that stays free, unless another program asks for it by its number. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = portsFrom + Math.floor(Math.random() * portsCount);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Ports below those that Linux gives to outgoing connections (from 32,768), and to Services of type NodePort (from
 * 30,000). So one stays free until its program begins to listen, and while that program is away.
 */
const portsFrom = 12_000;
/** Each worker of the suite, and what runs without one, has a part of its own. */
const portsCount = 3_000;
const parts = 6;
const part = Number(process.env['VITEST_POOL_ID'] ?? 0) % parts;

const given = new Set<number>();

/** A port of loopback that nobody has, and that no other call of this process gives. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = portsFrom + part * portsCount + Math.floor(Math.random() * portsCount);
    if (given.has(port)) continue;
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    given.add(port);
    server.close();
    await once(server, 'close');
    return port;
  }
}

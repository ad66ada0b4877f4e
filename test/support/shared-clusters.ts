import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sharedClustersVariable, startApiServer, startNode, type ClusterKind, type OwnCluster } from './cluster.ts';

/**
 * Runs once in vitest's main process, before its workers. A cluster starts when the first test file asks for it
 * (`sharedApiServer`, `sharedNode`), so that a run without such tests pays nothing, and ends with the run.
 */
export async function setup(): Promise<() => Promise<void>> {
  const path = join(tmpdir(), `barrage-clusters-${process.pid}.sock`);
  const clusters = new Map<ClusterKind, Promise<OwnCluster>>();
  const started = (kind: ClusterKind): Promise<OwnCluster> => {
    const cluster = clusters.get(kind) ?? (kind === 'api' ? startApiServer() : startNode());
    clusters.set(kind, cluster);
    return cluster;
  };
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (line: Buffer) => void answer(socket, started(line.toString().trim() === 'node' ? 'node' : 'api')));
  });
  await rm(path, { force: true });
  server.listen(path);
  await once(server, 'listening');
  process.env[sharedClustersVariable] = path;
  return async () => {
    server.close();
    // One that did not start has told so to who asked for it.
    await Promise.all([...clusters.values()].map((cluster) => cluster.then((one) => one.stop()).catch(() => {})));
  };
}

async function answer(socket: Socket, cluster: Promise<OwnCluster>): Promise<void> {
  const access = await cluster.then(
    ({ kubeconfig, url }) => ({ kubeconfig, url }),
    (error: unknown) => ({ error: String(error) }),
  );
  socket.end(JSON.stringify(access));
}

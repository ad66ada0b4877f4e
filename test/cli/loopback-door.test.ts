import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { bounds } from '../../cli/bounds.ts';
import { CommandFault } from '../../cli/fault.ts';
import { KubeAccess } from '../../cli/kube/access.ts';
import { LoopbackDoor } from '../../cli/kube/loopback-door.ts';
import type { TunnelEnd } from '../../cli/kube/tunnel.ts';

async function openDoor(choose: () => Promise<TunnelEnd>): Promise<{ readonly door: LoopbackDoor; readonly dial: () => Socket }> {
  const kubeconfig = join(tmpdir(), `barrage-door-${process.pid}`);
  const cluster = { server: 'https://127.0.0.1:1' };
  await writeFile(
    kubeconfig,
    JSON.stringify({
      'current-context': 'x',
      contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
      clusters: [{ name: 'x', cluster }],
      users: [{ name: 'x', user: {} }],
    }),
  );
  const door = new LoopbackDoor(new KubeAccess({ kubeconfig }), choose);
  onTestFinished(() => door.close());
  const port = await door.open();
  const dial = (): Socket => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  return { door, dial };
}

test('a connection that can not be led to a pod ends, and the door tells why', async () => {
  const { door, dial } = await openDoor(() => Promise.reject(new CommandFault('refused', 'no right')));
  await once(dial(), 'close');
  expect(door.fault).toMatchObject({ kind: 'refused', message: 'no right' });
  const away = await openDoor(() => Promise.resolve({ namespace: 'a', pod: 'b', port: 1 }));
  await once(away.dial(), 'close');
  expect(away.door.fault).toMatchObject({
    kind: 'unreachable',
    message: expect.stringContaining('the port-forward to b broke: connect ECONNREFUSED'),
  });
});

test('no more connections are taken than the bound', async () => {
  let asked = 0;
  const { dial } = await openDoor(() => {
    asked += 1;
    return new Promise(() => {});
  });
  for (let count = 0; count < bounds.doorConnectionsMax; count += 1) await once(dial(), 'connect');
  await once(dial(), 'close');
  expect(asked).toBe(bounds.doorConnectionsMax);
});

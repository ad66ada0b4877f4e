import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentMs } from '../../../operator/decide/observed.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { OperatedCluster, print } from '../operator/operated-cluster.ts';
import { Surroundings } from './observation.ts';

/** A way to the pods' admin port that can be closed, as a NetworkPolicy closes it: who connects hears nothing. */
class Passage {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isClosed = true;

  static async to(port: number): Promise<Passage> {
    const passage = new Passage(port);
    passage.#server.listen(0, '0.0.0.0');
    await once(passage.#server, 'listening');
    return passage;
  }

  private constructor(port: number) {
    this.#server = createServer((socket) => {
      this.#keep(socket);
      if (this.#isClosed) return;
      // Each pod has a loopback address of its own.
      const pod = this.#keep(connect({ host: socket.localAddress ?? '', port }));
      socket.pipe(pod).pipe(socket);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  open(): void {
    this.#change(false);
  }

  close(): void {
    this.#change(true);
  }

  async stop(): Promise<void> {
    this.close();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #change(isClosed: boolean): void {
    this.#isClosed = isClosed;
    for (const socket of this.#sockets) socket.destroy();
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

let operated: OperatedCluster;
let passage: Passage;
let at: Surroundings;

beforeAll(async () => {
  operated = await OperatedCluster.start();
  passage = await Passage.to(operated.pods.port);
  at = new Surroundings(operated.cluster, operated.namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await passage.stop();
  await operated.stop();
});

test('an operator that can not reach its gateways says so, whether it has heard of them before or not', { timeout: 180_000 }, async () => {
  await operated.applyPool('mute', { replicas: 2 });
  const startedAt = performance.now();
  await operated.startOperator({ adminPort: passage.port });
  const { status } = await at.untilReason('gwp/mute', 'Ready', 'GatewaySilent');
  const tookMs = Math.round(performance.now() - startedAt);
  print(`two gateways that were never heard of: told ${tookMs} ms after the operator's start`);
  // Not before the silence has lasted, and within the time limit of a question, its turn and the start of operator and
  // pods.
  expect(tookMs).toBeGreaterThanOrEqual(silentMs);
  expect(status).toBe('False');
  // They are asked in turns: the second one's silence may have begun a turn later.
  const both =
    /^mute-\w+-[01] runs, but does not answer the operator on port 6780\. Let the operator's pods reach it .* \(and 1 more gateway\)$/;
  await at.untilMessage('gwp/mute', 'Ready', both);
  await at.untilTold('GatewayPool/mute', 'GatewaySilent');

  passage.open();
  await operated.untilConverged();
  await at.untilTold('GatewayPool/mute', 'GatewaySilent is over');

  // The gateways serve on; the first of the new revision can't begin to.
  passage.close();
  await operated.applyPool('mute', { replicas: 2, template: { metadata: { annotations: { round: '2' } } } });
  const stuck = await at.untilReason('gwp/mute', 'Progressing', 'GatewaySilent');
  expect(stuck.message).toContain('does not answer the operator on port 6780');
  expect(await at.condition('gwp/mute', 'Ready')).toMatchObject({ status: 'True' });
  await at.untilTold('GatewayPool/mute', 'GatewaySilent');

  passage.open();
  await operated.untilConverged();
  await at.untilReason('gwp/mute', 'Progressing', 'Complete');
  // That it is over again is a count of the event that is there.
  expect(await at.faultsTold('GatewayPool/mute')).toEqual(['GatewaySilent', 'GatewaySilent is over', 'GatewaySilent']);
});

import { createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { bounds } from '../bounds.ts';
import { CommandFault } from '../fault.ts';
import type { KubeAccess } from './access.ts';
import { openTunnel, type TunnelEnd } from './tunnel.ts';

/**
 * A port on 127.0.0.1 that leads to pods: each connection gets a tunnel of its own, to the pod that is chosen then. It
 * is for clients that can only dial, as WebSocket clients do.
 */
export class LoopbackDoor {
  readonly kind = 'door';
  readonly #access: KubeAccess;
  readonly #choose: () => Promise<TunnelEnd>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #fault: CommandFault | undefined;

  constructor(access: KubeAccess, choose: () => Promise<TunnelEnd>) {
    this.#access = access;
    this.#choose = choose;
    this.#server = createServer((socket) => void this.#lead(socket));
  }

  /** The newest fault that kept a connection from its pod; `undefined` after one that got through. */
  get fault(): CommandFault | undefined {
    return this.#fault;
  }

  /** Listens, and tells the port. */
  async open(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #lead(socket: Socket): Promise<void> {
    socket.on('error', () => socket.destroy());
    if (this.#sockets.size >= bounds.doorConnectionsMax) return void socket.destroy();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    try {
      const tunnel = await openTunnel(this.#access, await this.#choose());
      this.#fault = undefined;
      pipeline(socket, tunnel, socket, () => {});
    } catch (error) {
      this.#fault = error instanceof CommandFault ? error : new CommandFault('unreachable', String(error), { cause: error });
      socket.destroy();
    }
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Registry } from 'prom-client';
import type { Clock } from '../core/clock.ts';
import type { Bus } from '../core/bus/bus.ts';
import type { Policies } from '../core/policy/policy.ts';
import type { Logger } from '../core/process/logging.ts';
import { Access } from './access.ts';
import { publisherBounds } from './bounds.ts';
import { HttpApi } from './http.ts';
import { InFlight } from './in-flight.ts';
import { Mesh } from './mesh.ts';
import { PublisherMetrics } from './metrics.ts';
import { SocketApi } from './socket.ts';

export interface PublisherOptions {
  readonly bus: Bus;
  /** The policies in force now; asked for at each publication. */
  readonly policies: () => Policies;
  /** None: only this machine's own programs may publish, and the server must listen on loopback (`listenFault`). */
  readonly apiKeys: readonly string[];
  readonly registry: Registry;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly pingIntervalMs?: number;
}

/** The publish API, to be mounted on a `node:http` server that was made with `serverBounds`. The bus stays its maker's. */
export interface Publisher {
  /** Listener of the server's `request`: answers everything, also 404. */
  http(request: IncomingMessage, response: ServerResponse): void;
  /** Listener of the server's `upgrade`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Open connections of the WebSocket API. */
  readonly connections: number;
  /** From now on each answer over HTTP ends its connection: who publishes often goes elsewhere by itself, and no request meets a connection that is being closed. */
  leave(): void;
  /** Asks the WebSocket API's connections to leave. To be called after the server's own `close` began. */
  close(): void;
  /** Cuts off the WebSocket API's connections that are still there. */
  terminate(): void;
}

/** Makes a publisher. Registers its metrics: once in a registry. */
export function createPublisher(options: PublisherOptions): Publisher {
  const { bus, policies, logger, clock } = options;
  const access = new Access(options.apiKeys);
  const inFlight = new InFlight();
  const metrics = new PublisherMetrics(options.registry, {
    socketConnections: () => sockets.connections,
    requestBytesInFlight: () => inFlight.bytes,
  });
  const mesh = new Mesh({ bus, policies, metrics, logger, clock });
  const http = new HttpApi({ access, mesh, inFlight, metrics });
  const sockets = new SocketApi({
    access,
    mesh,
    inFlight,
    metrics,
    pingIntervalMs: options.pingIntervalMs ?? publisherBounds.socketPingIntervalMs,
  });
  let isLeaving = false;
  return {
    http: (request, response) => {
      if (isLeaving) response.setHeader('connection', 'close');
      void http.answer(request, response);
    },
    upgrade: (request, socket, head) => sockets.upgrade(request, socket, head),
    get connections() {
      return sockets.connections;
    },
    leave: () => {
      isLeaving = true;
    },
    close: () => sockets.close(),
    terminate: () => sockets.terminate(),
  };
}

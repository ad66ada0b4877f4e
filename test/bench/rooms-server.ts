import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { WebSocketServer, type WebSocket } from 'ws';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { Policies } from '../../core/policy/policy.ts';
import { listen } from '../../core/process/lifecycle.ts';
import { createLogger } from '../../core/process/logging.ts';
import { readSettings } from '../../core/process/settings.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { startTracing } from '../../core/process/tracing.ts';
import { subprotocol } from '../../core/protocol/barrage-v1.ts';
import { textFrame } from '../../gateway/encoding/frame.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { Publisher } from '../../publisher/publisher.ts';
import { obeyHarness } from './load.ts';
import { channelOf } from './small-rooms.ts';

// Many small rooms, published to by POST (its port is the first line) or by the harness. Arguments: `barrage`, a
// gateway and a publisher on a memory bus; `bare`, what anybody would write with node:http and ws: the frame of a
// publication, and `send` to each member; or `raw`, the same with one write of the whole frame to each member's socket,
// which is the least that Node can do.
let next = 0;
const [wsPort, publish] = process.argv[2] === 'barrage' ? await startBarrage() : await startBare(process.argv[2] === 'raw');
obeyHarness(wsPort, { publish: (payload) => publish(channelOf(next++), payload) });

interface Member {
  readonly webSocket: WebSocket;
  readonly socket: Duplex;
}

type Started = readonly [wsPort: number, publish: (channel: string, payload: Buffer) => void];

async function startBare(isRaw: boolean): Promise<Started> {
  const rooms = new Map<string, Set<Member>>();
  let offset = 0;
  const send = (channel: string, data: string): number => {
    const at = ++offset;
    const span = `"channel":${JSON.stringify(channel)},"epoch":"e","after":${at - 1},"upto":${at},"leftOut":0,"at":${Date.now()}`;
    const text = `{"type":"batch",${span},"items":[{"offset":${at},"data":${JSON.stringify(data)}}]}`;
    const members = rooms.get(channel) ?? new Set();
    const frame = isRaw ? textFrame(text) : undefined;
    for (const { webSocket, socket } of members) {
      if (frame === undefined) webSocket.send(text);
      else socket.write(frame);
    }
    return members.size;
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { c, d } = JSON.parse(Buffer.concat(chunks).toString()) as { readonly c: string; readonly d: string };
      const text = JSON.stringify({ E: null, r: { s: send(c, d), f: 0 } });
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
    });
  });
  const webSockets = new WebSocketServer({ noServer: true, handleProtocols: () => subprotocol });
  const listenTo = (webSocket: WebSocket, socket: Duplex): void => {
    const member = { webSocket, socket };
    webSocket.on('message', (data: Buffer) => {
      const { id, channel } = JSON.parse(data.toString()) as { readonly id: number; readonly channel: string };
      rooms.set(channel, (rooms.get(channel) ?? new Set()).add(member));
      webSocket.send(JSON.stringify({ type: 'reply', id, result: {} }));
    });
    webSocket.on('error', () => webSocket.terminate());
  };
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket) => listenTo(webSocket, socket));
  });
  const port = await listen(server, { host: '127.0.0.1', port: 0 });
  process.stdout.write(`http ${port}\n`);
  return [port, (channel, payload) => send(channel, payload.toString())];
}

async function startBarrage(): Promise<Started> {
  const read = readSettings({
    // Traces, where the row is about them.
    ...process.env,
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_LOG_LEVEL: 'warn',
    // The clients are silent, and all connect at once.
    BARRAGE_IDLE_TIMEOUT_MS: '600000',
    BARRAGE_PING_INTERVAL_MS: '300000',
    BARRAGE_GATEWAY_ACCEPTS_PER_SECOND: '100000',
  });
  assert(read.kind === 'settings', JSON.stringify(read));
  const { settings } = read;
  const bus = createMemoryBus();
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const policies = new Policies([]);
  const logger = createLogger({ part: 'bench', level: settings.logLevel });
  const traces = { part: 'bench', instance: 'bench', sampler: 'parentbased_traceidratio' } as const;
  const { tracer } = await startTracing({ settings, ...traces, registry, logger });
  const shared = { settings, bus, registry, logger, tracer };
  const gateway = await Gateway.start({ ...shared, policies });
  const publisher = await Publisher.start({ ...shared, policies: () => policies, clock: systemClock });
  process.stdout.write(`http ${publisher.port}\n`);
  const rest = { kind: 'text', priority: 'normal', ttlMs: 0, conflation: undefined, sender: undefined, traceparent: undefined } as const;
  return [gateway.port, (channel, payload) => void bus.log.append(channel, [{ ...rest, payload, acceptedAt: Date.now() }])];
}

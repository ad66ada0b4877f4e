import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type BarrageError } from '../../client/barrage.ts';
import type { Command } from '../../core/protocol/barrage-v1.ts';

vi.setConfig({ testTimeout: 30_000 });

const hello = {
  type: 'hello',
  client: '1',
  pingIntervalMs: 60_000,
  pongTimeoutMs: 60_000,
  backoff: { baseMs: 1, capMs: 20 },
  limits: { frameBytesMax: 65_536, subscriptionsMax: 128, commandsPerSecondMax: 200 },
};

/** A server of event streams that does what the test says. */
class ScriptedStreams {
  readonly bodies: { readonly stream: string; readonly commands: readonly Command[] }[] = [];
  readonly streams: ServerResponse[] = [];
  /** Requests with commands that are under way at once, at most. */
  atOnce = 0;
  /** Status of the next answers. */
  streamStatus = 200;
  commandsStatus = 202;
  /** Called with each command. */
  onCommand = (command: Command): void => this.send({ type: 'reply', id: command.id, result: { epoch: 'e', offset: 0 } });
  port = 0;

  static async start(): Promise<ScriptedStreams> {
    const scripted = new ScriptedStreams();
    const server = createServer((request, response) => void scripted.#answer(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    scripted.port = (server.address() as AddressInfo).port;
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return scripted;
  }

  send(message: object | string): void {
    const text = typeof message === 'string' ? message : `data: ${JSON.stringify(message)}\n\n`;
    this.streams.at(-1)?.write(text);
  }

  #under = 0;

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.startsWith('/v1/stream') !== true) return void response.writeHead(404).end();
    if (request.method === 'GET') {
      if (this.streamStatus !== 200) return void response.writeHead(this.streamStatus).end();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      this.streams.push(response);
      this.send(': welcome\nretry: 500\n\n');
      this.send({ ...hello, stream: `s${this.streams.length}` });
      return;
    }
    this.atOnce = Math.max(this.atOnce, ++this.#under);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as (typeof this.bodies)[number];
    this.bodies.push(body);
    // The replies may come before the answer to the request.
    if (this.commandsStatus === 202) for (const command of body.commands) this.onCommand(command);
    await new Promise((resolve) => setTimeout(resolve, 20));
    this.#under--;
    response.writeHead(this.commandsStatus).end();
  }
}

function client(streams: ScriptedStreams): { readonly barrage: Barrage; readonly errors: BarrageError[] } {
  const barrage = new Barrage(`ws://127.0.0.1:${streams.port}/`, { transports: ['sse'] });
  const errors: BarrageError[] = [];
  barrage.on('error', (error) => errors.push(error));
  onTestFinished(() => barrage.close());
  return { barrage, errors };
}

function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 15_000, interval: 2 });
}

test('messages come on the stream, and commands go by POST: in order, one request at a time, what waits together', async () => {
  const streams = await ScriptedStreams.start();
  const { barrage } = client(streams);
  const subscription = barrage.subscribe('c');
  const data: unknown[] = [];
  subscription.on('publication', (publication) => data.push(publication.data));
  await until(() => subscription.state === 'subscribed');
  expect([barrage.transport, streams.bodies[0]]).toEqual(['sse', { stream: 's1', commands: [{ id: 1, op: 'subscribe', channel: 'c' }] }]);
  const items = [
    { offset: 1, data: '弹幕' },
    { offset: 2, kind: 'binary', data: 'AAH+/w==' },
  ];
  streams.send({ type: 'batch', channel: 'c', epoch: 'e', after: 0, upto: 2, leftOut: 0, items });
  await until(() => data.length === 2);
  expect(data).toEqual(['弹幕', Uint8Array.of(0, 1, 254, 255)]);
  await Promise.all(Array.from({ length: 60 }, (_, index) => barrage.publish('c', `p${index}`)));
  const sent = streams.bodies.slice(1).flatMap(({ commands }) => commands);
  expect(sent.map((command) => (command as { readonly data: string }).data)).toEqual(Array.from({ length: 60 }, (_, index) => `p${index}`));
  expect(streams.atOnce).toBe(1);
  expect(streams.bodies.length).toBeLessThan(20);
});

test('a request has no more commands than fit, and one command may be as long as any', async () => {
  const streams = await ScriptedStreams.start();
  const { barrage } = client(streams);
  await until(() => barrage.state === 'open');
  await Promise.all(['a', 'b', 'c'].map((name) => barrage.publish('c', name.repeat(40_000))));
  const sizes = streams.bodies.map((body) => JSON.stringify(body).length);
  expect(sizes.length).toBe(3);
  expect(Math.max(...sizes)).toBeLessThan(66_000);
});

test('a stream ends as its last message says: the client comes back, or not', async () => {
  const streams = await ScriptedStreams.start();
  const { barrage, errors } = client(streams);
  await until(() => barrage.state === 'open');
  streams.send({ type: 'close', code: 1012, reason: 'leaving' });
  await until(() => streams.streams.length === 2 && barrage.state === 'open');
  expect(errors).toMatchObject([{ code: 'disconnected', retry: true, message: expect.stringContaining('1012 (leaving)') }]);
  // Cut off without a word.
  streams.streams.at(-1)?.destroy();
  await until(() => streams.streams.length === 3 && barrage.state === 'open');
  streams.send({ type: 'close', code: 4501, reason: 'bad token' });
  await until(() => barrage.state === 'closed');
  expect(errors.at(-1)).toMatchObject({ code: 'closed', retry: false });
});

test('commands that may not have arrived end the stream, and a refused stream says why', async () => {
  const streams = await ScriptedStreams.start();
  const { barrage, errors } = client(streams);
  await until(() => barrage.state === 'open');
  streams.commandsStatus = 404;
  await expect(barrage.publish('c', 'x')).rejects.toMatchObject({ code: 'disconnected' });
  streams.commandsStatus = 202;
  streams.streamStatus = 503;
  await until(() => errors.some(({ code }) => code === 'unavailable'));
  streams.streamStatus = 404;
  await until(() => errors.some(({ code }) => code === 'protocol'));
  streams.streamStatus = 200;
  await until(() => barrage.state === 'open');
  expect(errors[0]).toMatchObject({ code: 'disconnected' });
});

import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage } from '../../client/barrage.ts';
import { ScriptedGateway } from './scripted-gateway.ts';

/** A client that is connected to a gateway that says yes to everything. */
async function scene(): Promise<{ readonly gateway: ScriptedGateway; readonly barrage: Barrage }> {
  const gateway = await ScriptedGateway.start();
  const barrage = new Barrage(gateway.url);
  onTestFinished(async () => {
    barrage.close();
    await gateway[Symbol.asyncDispose]();
  });
  await until(() => barrage.state === 'open');
  return { gateway, barrage };
}

function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 8000, interval: 2 });
}

test('wrong arguments are TypeErrors that say what is right, and send nothing', async () => {
  const { gateway, barrage } = await scene();
  const anything = barrage as unknown as Record<'publish' | 'counts' | 'subscribe' | 'on', (...args: unknown[]) => unknown>;
  for (const data of [42, undefined, null, true, new Map(), new Blob([]), (): void => {}])
    await expect(anything.publish('c', data)).rejects.toThrow('publish takes text, bytes');
  await expect(anything.publish(undefined, 'x')).rejects.toThrow(TypeError);
  await expect(anything.publish('c', 'x', { count: '1' })).rejects.toThrow('count is a finite number');
  await expect(anything.publish('c', 'x', { idempotencyKey: 7 })).rejects.toThrow('idempotencyKey is text');
  await expect(anything.counts(7)).rejects.toThrow(TypeError);
  expect(() => anything.subscribe({})).toThrow(TypeError);
  expect(() => anything.subscribe('c', { density: '5' })).toThrow('density is a finite number');
  expect(() => anything.subscribe('c', { bufferMax: -1 })).toThrow('bufferMax');
  expect(() => anything.on('mesage', () => {})).toThrow('there is no event mesage: it is one of state, gap');
  expect(() => anything.on('error', undefined)).toThrow(TypeError);
  expect(() => new Barrage(gateway.url, { token: {} as never })).toThrow('token is text or a function');
  const subscription = barrage.subscribe('c');
  await until(() => subscription.state === 'subscribed');
  await expect(subscription.setDensity('5' as never)).rejects.toThrow(TypeError);
  expect(subscription.density).toBeUndefined();
  expect(gateway.last.ops()).toEqual(['subscribe']);
});

test('an object is published as its JSON text, an ArrayBuffer and its views as bytes', async () => {
  const { gateway, barrage } = await scene();
  await barrage.publish('c', { text: '弹幕' });
  await barrage.publish('c', [1, 2]);
  await barrage.publish('c', Uint8Array.from([1, 2]).buffer);
  await barrage.publish('c', new DataView(Uint8Array.from([0, 1, 2]).buffer, 1));
  expect(gateway.last.commands).toMatchObject([
    { data: '{"text":"弹幕"}' },
    { data: '[1,2]' },
    { data: 'AQI=', kind: 'binary' },
    { data: 'AQI=', kind: 'binary' },
  ]);
  expect(gateway.last.commands[0]).not.toHaveProperty('kind');
});

test('what is published is what it was at the call, whatever the application does with it then', async () => {
  const { gateway, barrage } = await scene();
  const state = { likes: 1 };
  const bytes = Uint8Array.from([9, 1, 2, 9]);
  const options = { count: 1 };
  const answers = [
    barrage.publish('c', state, options),
    barrage.publish('c', bytes.subarray(1, 3)),
    barrage.publish('c', bytes.buffer),
    barrage.publish('c', 'text'),
  ];
  state.likes = 2;
  bytes.fill(0);
  options.count = 2;
  await Promise.all(answers);
  expect(gateway.last.commands).toMatchObject([
    { data: '{"likes":1}', count: 1 },
    { data: 'AQI=' },
    { data: 'CQECCQ==' },
    { data: 'text' },
  ]);
});

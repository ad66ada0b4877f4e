import { expect, test } from 'vitest';
import { TransportChoice, failuresMax, retryMs, trustMs } from '../../../../client/transport/choice.ts';

const order = ['websocket', 'sse', 'pull'] as const;

test('a transport that never came about is given up after some dials, and after the last comes the first again', () => {
  const choice = new TransportChoice(order);
  const tried: string[] = [];
  for (let dial = 0; dial < 3 * failuresMax + 1; dial++) {
    tried.push(choice.next);
    choice.failed(choice.next, dial, 'unreached');
  }
  expect(tried).toEqual(['websocket', 'websocket', 'sse', 'sse', 'pull', 'pull', 'websocket']);
});

test('one dial is enough where nothing answers in time, or the other end does not know the transport', () => {
  const choice = new TransportChoice(order);
  choice.failed('websocket', 0, 'never');
  expect(choice.next).toBe('sse');
  choice.failed('sse', 0, 'never');
  expect(choice.next).toBe('pull');
});

test('where a WebSocket has worked within a minute its failed dials change nothing, and after that they do', () => {
  const choice = new TransportChoice(order);
  choice.worked('websocket', 0);
  choice.ended('websocket', 500_000);
  for (let dial = 0; dial < 20; dial++) choice.failed('websocket', 500_000 + dial, 'never');
  choice.failed('websocket', 500_000 + trustMs - 1, 'never');
  expect(choice.next).toBe('websocket');
  choice.failed('websocket', 500_000 + trustMs, 'never');
  expect(choice.next).toBe('sse');
});

test('connections that end, one after the other, say nothing about their transport', () => {
  const choice = new TransportChoice(order);
  for (let time = 0; time < 1e7; time += 100_000) {
    choice.worked('websocket', time);
    choice.ended('websocket', time + 5);
  }
  expect(choice.next).toBe('websocket');
});

test('a gateway that is full sends the client back to the first transport, and one failed dial leads back', () => {
  const choice = new TransportChoice(order);
  choice.failed('websocket', 0, 'never');
  choice.failed('sse', 0, 'full');
  expect(choice.next).toBe('websocket');
  choice.failed('websocket', 0, 'unreached');
  expect(choice.next).toBe('sse');
});

test('better transports are tried in turn, later each time, and with the best one nothing is', () => {
  const choice = new TransportChoice(order);
  expect(choice.better).toBeUndefined();
  choice.told('pull');
  choice.worked('pull', 0);
  const tries: unknown[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    tries.push([choice.better, choice.retryWaitMs(0.999_999) / retryMs.first]);
    choice.retried();
  }
  expect(tries.map((each) => (each as unknown[])[0])).toEqual(['websocket', 'sse', 'websocket', 'sse', 'websocket', 'sse']);
  expect(tries.map((each) => Math.round((each as number[])[1] ?? 0))).toEqual([1, 2, 4, 8, 10, 10]);
  expect(choice.retryWaitMs(0)).toBe(retryMs.longest / 2);
  choice.worked('websocket', 1);
  expect([choice.next, choice.better, choice.retryWaitMs(0)]).toEqual(['websocket', undefined, retryMs.first / 2]);
});

test('a gateway can only name a transport that the application allows', () => {
  const choice = new TransportChoice(['websocket', 'sse']);
  choice.told('pull');
  choice.told('carrier pigeon');
  expect([choice.next, choice.allows('pull'), choice.allows(undefined), choice.allows('sse')]).toEqual(['websocket', false, false, true]);
  choice.told('sse');
  expect([choice.next, choice.better]).toEqual(['sse', 'websocket']);
});

test('with one transport there is nothing to choose', () => {
  const choice = new TransportChoice(['pull']);
  for (let dial = 0; dial < 10; dial++) choice.failed('pull', dial, dial % 2 === 0 ? 'never' : 'full');
  expect([choice.next, choice.better]).toEqual(['pull', undefined]);
});

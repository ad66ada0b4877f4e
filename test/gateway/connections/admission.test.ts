import { expect, test } from 'vitest';
import { admit, type AdmissionState } from '../../../gateway/connections/admission.ts';

const open: AdmissionState = {
  connections: 0,
  connectionsMax: 10,
  hasRoom: true,
  retryWithinMs: 1000,
  isUnready: false,
  isLoopback: false,
  origins: [],
};

function answer(request: { readonly origin?: string; readonly host?: string }, state: Partial<AdmissionState> = {}): string {
  const admission = admit({ origin: request.origin, host: request.host }, { ...open, ...state }, 0);
  return admission.kind === 'admitted' ? 'admitted' : admission.reason;
}

test('without a list the gateway’s own pages may connect, whatever the spelling of the host', () => {
  for (const host of ['live.example', 'live.example:443', 'LIVE.example'])
    expect(answer({ origin: 'https://live.example', host })).toBe('admitted');
  expect(answer({ origin: 'http://live.example:6790', host: 'live.example:6790' })).toBe('admitted');
  expect(answer({ origin: 'https://evil.example', host: 'live.example' })).toBe('origin');
  expect(answer({ origin: 'null', host: 'live.example' })).toBe('origin');
  expect(answer({ origin: 'https://live.example' })).toBe('origin');
  expect(answer({ host: 'live.example' })).toBe('admitted');
});

test('a list is all: a Host that says the same as the Origin is no pass, as it is the same for a page whose name was rebound', () => {
  const origins = ['https://app.example', 'capacitor://localhost', 'null'];
  expect(answer({ origin: 'https://app.example', host: 'live.example' }, { origins })).toBe('admitted');
  expect(answer({ origin: 'HTTPS://APP.example:443', host: 'live.example' }, { origins })).toBe('admitted');
  expect(answer({ origin: 'capacitor://localhost', host: 'live.example' }, { origins })).toBe('admitted');
  expect(answer({ origin: 'null', host: 'live.example' }, { origins })).toBe('admitted');
  expect(answer({ origin: 'http://rebound.example:6790', host: 'rebound.example:6790' }, { origins })).toBe('origin');
  expect(answer({ origin: 'http://localhost:5173', host: 'live.example' }, { origins })).toBe('origin');
  expect(answer({ host: 'live.example' }, { origins })).toBe('admitted');
  for (const origin of ['https://evil.example', 'null', 'garbage'])
    expect(answer({ origin, host: 'x' }, { origins: ['*'] })).toBe('admitted');
});

test('on loopback, pages of this machine may connect from any port, with a list and without; others may not, nor may a rebound name', () => {
  for (const origins of [[], ['https://app.example']]) {
    const state = { isLoopback: true, origins };
    for (const origin of [
      'http://localhost:5173',
      'http://127.0.0.1:3000',
      'http://[::1]:8080',
      'https://app.localhost',
      'http://LOCALHOST',
    ])
      expect(answer({ origin, host: 'localhost:6790' }, state), origin).toBe('admitted');
    expect(answer({ origin: 'https://evil.example', host: 'localhost:6790' }, state)).toBe('origin');
    expect(answer({ origin: 'http://localhost.evil.example', host: 'localhost:6790' }, state)).toBe('origin');
    expect(answer({ origin: 'http://rebound.example:6790', host: 'rebound.example:6790' }, state)).toBe('host');
  }
});

test('a refused page is told its origin, as a list would have it and cut, and where the list is', () => {
  const messageOf = (origin: string): string => {
    const admission = admit({ origin, host: 'live.example' }, open, 0);
    return admission.kind === 'refused' ? admission.message : '';
  };
  const where = 'add that origin to BARRAGE_GATEWAY_ORIGINS (of a GatewayPool: spec.auth.allowedOrigins)';
  expect(messageOf('HTTP://Localhost:5173/')).toBe(`pages of http://localhost:5173 may not connect: ${where}`);
  expect(messageOf('null')).toBe(`pages of null may not connect: ${where}`);
  expect(messageOf(`https://${'x'.repeat(9000)}.example`).length).toBeLessThan(300);
});

/** Bound to loopback, with one place left. */
const local: AdmissionState = { ...open, connectionsMax: 2, isLoopback: true };

test('a gateway on loopback admits only a Host of loopback', () => {
  for (const host of ['localhost', 'localhost:6790', '127.0.0.1:6790', '127.8.9.1', '[::1]:6790'])
    expect(admit({ host, origin: undefined }, local, 0).kind).toBe('admitted');
  for (const host of [undefined, '', 'evil.example', 'evil.example:6790', 'localhost.evil.example', '10.0.0.1', '127.0.0.1.evil.example'])
    expect(admit({ host, origin: undefined }, local, 0)).toMatchObject({ kind: 'refused', status: 403, reason: 'host' });
  expect(admit({ host: 'evil.example', origin: undefined }, { ...local, isLoopback: false }, 0).kind).toBe('admitted');
});

test('a list refuses what only looks like an origin of it, and the gateway’s own too', () => {
  const origins = ['https://a.example'];
  for (const origin of [
    'null',
    '',
    'https://a.example.evil',
    'http://a.example',
    'http://gate.example:6790',
    'https://gate.example',
    'file://',
  ])
    expect(answer({ origin, host: 'gate.example:6790' }, { origins }), origin).toBe('origin');
});

test('a full gateway refuses from the bound on, and so does one that has no room in this second or is not ready', () => {
  const request = { host: 'localhost', origin: undefined };
  expect(admit(request, { ...local, connections: 1 }, 0).kind).toBe('admitted');
  expect(admit(request, { ...local, connections: 2 }, 0)).toMatchObject({ status: 503, reason: 'full' });
  expect(admit(request, { ...local, hasRoom: false }, 0)).toMatchObject({ status: 503, reason: 'rate' });
  expect(admit(request, { ...local, isUnready: true }, 0)).toMatchObject({ status: 503, reason: 'unready' });
});

test('Retry-After spreads the return of the refused over the time that the crowd needs, in whole seconds from 1 on', () => {
  const refused = { ...local, hasRoom: false, retryWithinMs: 6000 };
  const after = [0, 0.1, 0.5, 0.999].map((random) => admit({ host: 'localhost', origin: undefined }, refused, random));
  expect(after).toMatchObject([1, 1, 3, 6].map((retryAfterSeconds) => ({ retryAfterSeconds })));
});

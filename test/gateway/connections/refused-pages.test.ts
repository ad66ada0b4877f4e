import { expect, test } from 'vitest';
import { RefusedPages } from '../../../gateway/connections/refused-pages.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function rig() {
  const clock = new FakeClock();
  const warnings: [Record<string, unknown>, string][] = [];
  const logger = { warn: (fields: Record<string, unknown>, message: string) => warnings.push([fields, message]) };
  return {
    clock,
    warnings,
    pages: new RefusedPages({ logger: logger as unknown as ConstructorParameters<typeof RefusedPages>[0]['logger'], clock }),
  };
}

test('a refused page is warned of with its origin and the setting, once in ten minutes', () => {
  const { clock, warnings, pages } = rig();
  const page = { origin: 'https://app.example', host: 'live.example' };
  for (let time = 0; time < 600_000; time += 500) {
    clock.time = time;
    pages.refused('origin', page);
  }
  expect(warnings).toEqual([
    [
      { ...page, setting: 'BARRAGE_GATEWAY_ORIGINS', refused: 1 },
      'a page of https://app.example may not connect, and its browser does not say why: ' +
        'add its origin to BARRAGE_GATEWAY_ORIGINS (of a GatewayPool: spec.auth.allowedOrigins)',
    ],
  ]);
  clock.time = 600_000;
  pages.refused('origin', page);
  expect(warnings[1]?.[0]).toMatchObject({ origin: 'https://app.example', refused: 1200 });
});

test('pages of ever other origins are one warning a second, as long as their origins may be', () => {
  const { clock, warnings, pages } = rig();
  for (let number = 0; number < 10_000; number++) {
    clock.time = number;
    pages.refused('origin', { origin: `https://${number}${'x'.repeat(5_000)}.example`, host: undefined });
  }
  expect(warnings).toHaveLength(10);
  expect(warnings.every(([fields]) => String(fields['origin']).length <= 301)).toBe(true);
  expect(warnings.reduce((sum, [fields]) => sum + Number(fields['refused']), 0)).toBe(9_001);
});

test('a request that names another host than loopback is warned of with the host', () => {
  const { warnings, pages } = rig();
  pages.refused('host', { origin: undefined, host: 'laptop.local:6790' });
  expect(warnings).toEqual([
    [{ origin: '', host: 'laptop.local:6790', setting: 'BARRAGE_GATEWAY_HOST', refused: 1 }, expect.stringContaining('laptop.local:6790')],
  ]);
});

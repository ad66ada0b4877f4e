import { expect, test } from 'vitest';
import { gatewayJournal } from '../../../gateway/accounts/log-lines.ts';
import { RefusedPages } from '../../../gateway/connections/refused-pages.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { recordedLog } from '../../support/recorded-log.ts';

function rig() {
  const clock = new FakeClock();
  const { logger, lines: warnings } = recordedLog();
  return {
    clock,
    warnings,
    pages: new RefusedPages({ journal: gatewayJournal(logger, clock), clock }),
  };
}

test('a refused page is warned of with its origin and the setting, once in ten minutes', () => {
  const { clock, warnings, pages } = rig();
  const page = { origin: 'https://app.example', host: 'live.example' };
  for (let time = 0; time < 600_000; time += 500) {
    clock.time = time;
    pages.refused('origin', page);
  }
  const setting = 'BARRAGE_GATEWAY_ORIGINS (of a GatewayPool: spec.auth.allowedOrigins)';
  expect(warnings).toMatchObject([{ event: 'origin-refused', level: 'warn', ...page, setting, times: 1 }]);
  expect(warnings).toHaveLength(1);
  clock.time = 600_000;
  pages.refused('origin', page);
  expect(warnings[1]).toMatchObject({ origin: 'https://app.example', times: 1200 });
});

test('pages of ever other origins are one warning a second, as long as their origins may be', () => {
  const { clock, warnings, pages } = rig();
  for (let number = 0; number < 10_000; number++) {
    clock.time = number;
    pages.refused('origin', { origin: `https://${number}${'x'.repeat(5_000)}.example`, host: undefined });
  }
  expect(warnings).toHaveLength(10);
  expect(warnings.every((fields) => String(fields['origin']).length <= 301)).toBe(true);
  expect(warnings.reduce((sum, fields) => sum + Number(fields['times']), 0)).toBe(9_001);
});

test('a request that names another host than loopback is warned of with the host', () => {
  const { warnings, pages } = rig();
  pages.refused('host', { origin: undefined, host: 'laptop.local:6790' });
  expect(warnings).toMatchObject([{ event: 'host-refused', host: 'laptop.local:6790', setting: 'BARRAGE_GATEWAY_HOST', times: 1 }]);
});

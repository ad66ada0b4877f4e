import { expect, test } from 'vitest';
import { limits } from '../../core/limits.ts';
import { ClientAddresses, readRange } from '../../core/process/client-address.ts';
import { readSettings } from '../../core/process/settings.ts';

function addressOf(trusted: readonly string[], remoteAddress: string | undefined, forwarded?: string | readonly string[]): string {
  const addresses = new ClientAddresses(trusted.map((text) => readRange(text)!));
  return addresses.of({ socket: { remoteAddress }, headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } });
}

test('without a trusted proxy it is the address of the socket, whatever the client writes', () => {
  expect(addressOf([], '192.0.2.1', '198.51.100.7')).toBe('192.0.2.1');
  expect(addressOf(['10.0.0.0/8'], '192.0.2.1', '198.51.100.7')).toBe('192.0.2.1');
  expect(addressOf([], '::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(addressOf([], undefined, '198.51.100.7')).toBe('unknown');
});

test('behind trusted proxies it is the last address that none of them has; what stands before is the client’s word', () => {
  const trusted = ['10.0.0.0/8', '2001:db8:a::/48', '192.0.2.80'];
  expect(addressOf(trusted, '10.1.2.3', '198.51.100.7')).toBe('198.51.100.7');
  expect(addressOf(trusted, '::ffff:10.1.2.3', '198.51.100.7')).toBe('198.51.100.7');
  expect(addressOf(trusted, '10.1.2.3', 'a lie, 203.0.113.9, 198.51.100.7, 192.0.2.80,10.0.0.1')).toBe('198.51.100.7');
  expect(addressOf(trusted, '2001:db8:a::1', ['203.0.113.9', '2001:db8:b::7'])).toBe('2001:db8:b::7');
  expect(addressOf(trusted, '10.1.2.3', '198.51.100.7:4711')).toBe('198.51.100.7');
  expect(addressOf(trusted, '10.1.2.3', '[2001:db8:b::7]:4711')).toBe('2001:db8:b::7');
});

test('what is no address ends the way back, and so does the last proxy', () => {
  expect(addressOf(['10.0.0.0/8'], '10.1.2.3', '198.51.100.7, unknown')).toBe('10.1.2.3');
  expect(addressOf(['10.0.0.0/8'], '10.1.2.3', '')).toBe('10.1.2.3');
  expect(addressOf(['10.0.0.0/8'], '10.1.2.3', '10.0.0.2')).toBe('10.0.0.2');
});

test('a header of any length costs no more than 32 looks', () => {
  const hops = (count: number): string => ['198.51.100.7', ...Array.from({ length: count }, () => '10.0.0.1')].join(',');
  expect(addressOf(['10.0.0.0/8'], '10.1.2.3', hops(31))).toBe('198.51.100.7');
  expect(addressOf(['10.0.0.0/8'], '10.1.2.3', hops(32))).toBe('10.0.0.1');
});

test.each(['10.0.0.0/33', '::1/129', '10.0.0/8', 'fe80::1%eth0', '10.0.0.0/8/8', '10.0.0.0/', '10.0.0.0/-1', 'proxy', ''])(
  '"%s" is no range',
  (text) => {
    expect(readRange(text)).toBeUndefined();
  },
);

test('the setting takes addresses and ranges up to its bound, and says which one is wrong', () => {
  const read = (value: string) => readSettings({ BARRAGE_TRUSTED_PROXIES: value });
  expect(read('10.0.0.0/8, ::1')).toMatchObject({
    settings: {
      trustedProxies: [
        { address: '10.0.0.0', prefix: 8 },
        { address: '::1', prefix: 128 },
      ],
    },
  });
  expect(read('10.0.0.0/8, 10.0.0.0/64')).toMatchObject({
    kind: 'faults',
    faults: [expect.stringContaining('"10.0.0.0/64" is no IP address')],
  });
  const many = (count: number): string => Array.from({ length: count }, (_, index) => `10.0.${index}.0/24`).join();
  expect(read(many(limits.trustedProxiesMax)).kind).toBe('settings');
  expect(read(many(limits.trustedProxiesMax + 1))).toMatchObject({
    kind: 'faults',
    faults: [expect.stringContaining('more than 100 ranges')],
  });
});

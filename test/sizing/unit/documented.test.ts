import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { sizingDocument } from '../../../sizing/document.ts';
import { busCosts, fanOutCosts, gatewayCosts, measuredPayloadBytes } from '../../../sizing/unit-costs.ts';

const page = readFileSync('docs/performance.md', 'utf8');

/** The cells of the first table row that begins with a name, each without its spread. */
function cells(name: string): readonly string[] {
  const line = page.split('\n').find((each) => each.startsWith(`| ${name} |`));
  expect(line, name).toBeDefined();
  return (line ?? '').split('|').map((cell) => cell.trim().replace(/ \(.*/, ''));
}

/** A figure of the table below the heading "Unit costs". */
function unit(name: string): number {
  return Number(cells(name)[2]);
}

test('docs/sizing.md is what `node sizing/generate.ts` writes', () => {
  expect(readFileSync('docs/sizing.md', 'utf8')).toBe(sizingDocument());
});

test.each(fanOutCosts)('the cost of row $row is that of docs/performance.md', ({ row, publicationsPerWrite, microseconds, bytes }) => {
  const found = cells(row);
  expect([Number(found[4]), Number(found[8]), Number(found[9])]).toEqual([microseconds, publicationsPerWrite, bytes]);
  expect(page).toContain(`payloads of ${measuredPayloadBytes} bytes`);
});

test('the costs of a gateway are those of docs/performance.md', () => {
  const memory = cells('memory-v1');
  expect([Number(memory[3]), Number(memory[5])]).toEqual([gatewayCosts.connectionKibibytes, gatewayCosts.emptyMebibytes]);
  expect(Number(cells('small-rooms-share')[3])).toBe(gatewayCosts.smallRoomMicroseconds);
  expect(page).toContain(`2,500 rooms of ${gatewayCosts.smallRoomMembers} `);
  expect(page).toContain('one gateway has 50,000 rooms with a history and a member each');
  expect(gatewayCosts.roomsCounted).toBe(50_000);
  expect(cells('resident memory')[2]).toMatch(new RegExp(`^${gatewayCosts.roomsMebibytes} MiB before`));
  expect(unit('kernel memory of an idle connection, KiB')).toBe(gatewayCosts.kernelKibibytes);
  expect(unit('CPU of a ping and its answer, µs')).toBe(gatewayCosts.pingMicroseconds);
  expect(readFileSync('docs/settings.md', 'utf8')).toContain(`| \`BARRAGE_PING_INTERVAL_MS\` | \`${gatewayCosts.pingSeconds * 1_000}\``);
});

test('the costs of publisher and Redis are those of docs/performance.md', () => {
  expect(Number(cells('history-publisher')[2])).toBe(busCosts.publisherMicroseconds);
  const redis = cells('history-redis');
  expect([Number(redis[2]), Number(redis[3])]).toEqual([busCosts.redisMicroseconds, busCosts.redisHistoryMicroseconds]);
  expect(unit('CPU of Redis per publication and gateway, µs')).toBe(busCosts.redisGatewayMicroseconds);
  expect(unit('bytes of Redis per publication of 200 bytes and gateway')).toBe(busCosts.redisGatewayBytes);
  expect(unit('memory of Redis per kept publication of 200 bytes, bytes')).toBe(busCosts.redisKeptBytes);
});

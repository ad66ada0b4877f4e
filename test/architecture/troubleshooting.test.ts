import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { closeCodes } from '../../core/close-codes.ts';
import { processLines } from '../../core/process/log-lines.ts';
import type { LogTable } from '../../core/process/journal.ts';
import { gatewayLines } from '../../gateway/accounts/log-lines.ts';
import { refusals as pullRefusals } from '../../gateway/pull/refusals.ts';
import { refusals as streamRefusals } from '../../gateway/streams/refusals.ts';
import { logLines } from '../../operator/kube/log-lines.ts';
import { publisherLines } from '../../publisher/log-lines.ts';
import { refusals as publishRefusals } from '../../publisher/errors.ts';

const page = readFileSync('docs/troubleshooting.md', 'utf8');
/** The signs in the first two cells of each row, by the section that they stand in. */
const sections = new Map(
  page.split('\n## ').map((section) => {
    const rows = section.split('\n').filter((line) => line.startsWith('| '));
    const signs = rows.flatMap((row) =>
      [
        ...row
          .split('|')
          .slice(1, 4)
          .join('|')
          .matchAll(/`([^`]+)`/g),
      ].map(([, sign = '']) => sign),
    );
    return [section.split('\n', 1)[0] ?? '', new Set(signs)];
  }),
);
const all = new Set([...sections.values()].flatMap((signs) => [...signs]));

function missing(signs: Iterable<string | number>, among: ReadonlySet<string> = all): readonly (string | number)[] {
  return [...new Set(signs)].filter((sign) => !among.has(String(sign)));
}

function section(heading: string): ReadonlySet<string> {
  const signs = sections.get(heading);
  expect(signs, heading).toBeDefined();
  return signs ?? new Set();
}

test('each close code of a gateway is explained', () => {
  const codes = Object.values(closeCodes).map(({ code }) => code);
  expect(codes.length).toBeGreaterThan(10);
  expect(missing(codes, section('A client is disconnected'))).toEqual([]);
});

test('each refusal of the publish API is explained with its code and status', () => {
  const publishing = section('Publishing is refused');
  expect(
    missing(
      Object.values(publishRefusals).flatMap(({ code, status }) => [code, status]),
      publishing,
    ),
  ).toEqual([]);
  const given: readonly ((...words: never[]) => { readonly code: string; readonly status: number })[] = [
    ...Object.values(pullRefusals),
    ...Object.values(streamRefusals),
  ];
  const inWords = given.map((refuse) => refuse(...(['x', 'x'] as never[])));
  expect(
    missing(
      inWords.flatMap(({ code, status }) => [code, status]),
      publishing,
    ),
  ).toEqual([]);
});

test('each reason for refusing a handshake, and each error of a command, is explained', () => {
  const [, admission = ''] = /readonly reason: ([^;]+);/.exec(readFileSync('gateway/connections/admission.ts', 'utf8')) ?? [];
  const reasons = [...admission.matchAll(/'(\w+)'/g)].map(([, reason = '']) => reason);
  expect(reasons.length).toBe(5);
  // Two of them have a line of their own in the log.
  const signs = reasons.map((reason) => ({ origin: 'origin-refused', host: 'host-refused' })[reason] ?? reason);
  expect(missing([...signs, 403, 503], section('A page or an app does not connect'))).toEqual([]);
  const [, errors = ''] = /export type ErrorCode =([^;]+);/.exec(readFileSync('core/protocol/barrage-v1.ts', 'utf8')) ?? [];
  const codes = [...errors.matchAll(/'(\w+)'/g)].map(([, code = '']) => code);
  expect(codes.length).toBeGreaterThan(8);
  expect(missing(codes, section('A command gets an error'))).toEqual([]);
});

test('each line of the log that warns, and each that tells of a refusal, is explained', () => {
  const tables: readonly LogTable[] = [processLines, gatewayLines, publisherLines, logLines];
  const lines = tables.flatMap((table) => Object.entries(table));
  const bad = lines.filter(([event, { level }]) => ['warn', 'error', 'fatal'].includes(level) || /refused|failed|expired/.test(event));
  expect(bad.length).toBeGreaterThan(40);
  expect(missing(bad.map(([event]) => event))).toEqual([]);
});

test('each reason of a condition that asks for something is explained', () => {
  // docs/operator.md has them all, which a test of the operator compares with the code.
  const document = readFileSync('docs/operator.md', 'utf8');
  const [, conditions = ''] = /\n## Conditions of a pool\n([^]*)\n## Events\n/.exec(document) ?? [];
  const rows = conditions.split('\n').map((row) => row.split('|').map((cell) => cell.trim()));
  const asking = rows.flatMap((cells) => {
    const reason = /^`([A-Z]\w+)`$/.exec((cells.length === 5 ? cells[1] : cells[3]) ?? '')?.[1];
    return reason === undefined || cells.at(-2) === '' ? [] : [reason];
  });
  expect(asking.length).toBeGreaterThan(40);
  expect(missing(asking)).toEqual([]);
});

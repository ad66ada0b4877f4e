import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { encodeTextBatch, encodeTextItem } from '../../../gateway/encoding/batch.ts';
import { headDocument, segmentDocument, waitMsOf } from '../../../gateway/pull/documents.ts';
import { refusals } from '../../../gateway/pull/refusals.ts';
import { placed as placedAt, publication, sum } from '../../support/publications.ts';

const docs = await readFile(new URL('../../../docs/pull.md', import.meta.url), 'utf8');
const epoch = 'k3v9x0q2';
const channel = 'video:1';

/** A block of the documentation, byte for byte. */
function block(name: string): string {
  return new RegExp(`\`\`\`json ${name}\n(.*?)\`\`\``, 's').exec(docs)?.[1] ?? '';
}

test('the head is the documented one, byte for byte', () => {
  const binary = { kind: 'binary', payload: Buffer.from([0, 1, 0xfe, 0xff]), acceptedAt: 1_790_000_000_250 } as const;
  const kept = [
    { offset: 101, publication: publication('{"text":"弹幕"}', { acceptedAt: 1_790_000_000_000 }) },
    { offset: 102, publication: publication('', { ...binary, ttlMs: 5_000, conflation: sum('like', 12) }) },
  ];
  expect(headDocument({ channel, order: { epoch, offset: 102 }, kept }, 0)).toBe(block('head'));
});

test('a segment is the documented one, byte for byte', () => {
  const kept = Array.from({ length: 50 }, (_, index) => ({
    offset: index + 1,
    publication: publication(String(index + 1), { acceptedAt: 1_790_000_000_000 }),
  }));
  const [begin = '', end = ''] = block('segment').split(',…,');
  const text = segmentDocument({ channel, epoch, after: 0, kept });
  expect(text.startsWith(`${begin},`) && text.endsWith(`,${end}`)).toBe(true);
  expect(JSON.parse(text)).toMatchObject({ after: 0, upto: 50, items: { length: 50 } });
});

test('a segment of texts is the batch that a WebSocket would have, byte for byte', () => {
  for (const times of [[5, 5, 5], [5, 9, 7], [5]]) {
    const placed = times.map((acceptedAt, index) => ({ ...placedAt(index + 1), publication: publication(`p${index}`, { acceptedAt }) }));
    const span = { channel, epoch, after: 0, upto: times.length, leftOut: 0 };
    const frame = encodeTextBatch(
      span,
      placed,
      placed.map((item) => encodeTextItem(item)),
    ).toString();
    const text = segmentDocument({ channel, epoch, after: 0, kept: placed });
    expect(frame.slice(frame.indexOf('{'))).toBe(text.trimEnd());
  }
});

test('after a failover the head tells where the earlier epoch ended; without publications it is empty', () => {
  const order = { epoch, offset: 70, earlier: { epoch: 'old', offset: 60 } };
  const head = JSON.parse(headDocument({ channel, order, kept: [] }, Number.POSITIVE_INFINITY)) as unknown;
  const open = { type: 'batch', channel, epoch, after: 70, upto: 70, leftOut: 0, items: [] };
  expect(head).toEqual({ channel, ...order, segmentOffsets: 50, waitMs: 5_000, open });
});

test('the wait is longer the longer nothing came', () => {
  expect([0, 9_999, 10_000, 59_999, 60_000, Number.POSITIVE_INFINITY].map(waitMsOf)).toEqual([1_000, 1_000, 2_000, 2_000, 5_000, 5_000]);
});

test('the table of errors is the one of the code', () => {
  const documented = [...docs.matchAll(/^\| (\d{3}) \| `([a-z_]+)` \|/gm)].map(([, status, code]) => `${status} ${code}`);
  const inCode = new Set(
    Object.values(refusals)
      .map((refuse) => refuse('', ''))
      .map(({ status, code }) => `${status} ${code}`),
  );
  expect(documented.toSorted()).toEqual([...inCode].toSorted());
});

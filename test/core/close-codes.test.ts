import fc from 'fast-check';
import { expect, test } from 'vitest';
import { closeBecause, closeCodes, closeReasonBytesMax } from '../../core/close-codes.ts';

test('a reason that fits into a close frame is said whole, a longer one is cut at a character', () => {
  for (const fits of ['', 'x'.repeat(closeReasonBytesMax), '弹'.repeat(closeReasonBytesMax / 3)])
    expect(closeBecause(closeCodes.badCommand, fits)).toEqual({ code: 4500, reason: fits, reconnect: false });
  expect(closeBecause(closeCodes.badCommand, `${'x'.repeat(closeReasonBytesMax)}y`).reason).toBe(`${'x'.repeat(120)}…`);
  expect(closeBecause(closeCodes.badCommand, '😀'.repeat(31)).reason).toBe(`${'😀'.repeat(30)}…`);
});

test('no reason is longer than a close frame takes, and none is broken Unicode', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      const { reason } = closeBecause(closeCodes.slow, text);
      expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(closeReasonBytesMax);
      expect(reason.isWellFormed()).toBe(true);
    }),
  );
});

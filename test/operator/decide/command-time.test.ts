import { expect, test } from 'vitest';
import { decideCommand, type DrainCommand } from '../../../core/pool/drain-command.ts';
import { commandTime } from '../../../operator/decide/command-time.ts';

const hourMs = 3_600_000;
const now = Date.parse('2026-06-01T12:00:00Z');

/** What a gateway says to an abort by an operator whose clock is ahead of the gateway's. */
function answerTo(aheadMs: number, lastIssuedAt: number, tells = true): string {
  const clock = tells ? now : undefined;
  const issuedAt = commandTime(now + aheadMs, { clock, lastIssuedAt: lastIssuedAt === 0 ? undefined : lastIssuedAt });
  const command: DrainCommand = { command: 'abort-drain', gateway: 'uid', issuedAt };
  return decideCommand(command, { uid: 'uid', lastIssuedAt, now });
}

test('a gateway follows an operator whose clock was set back or differs, also after another one’s command', () => {
  for (const ahead of [-hourMs, -30_000, 0, 30_000, hourMs]) {
    expect(answerTo(ahead, 0), `${ahead} ms`).toBe('follow');
    for (const last of [now - 600_000, now, now + 30_000, now + hourMs])
      expect(answerTo(ahead, last), `${ahead} ms, ${last}`).toBe('follow');
  }
});

test('a gateway of an older version, which does not tell its time, follows within the old bounds', () => {
  expect(answerTo(-240_000, now, false)).toBe('follow');
  expect(answerTo(hourMs, 0, false)).toBe('follow');
});

test('a command is never signed for days ahead, whatever a pod claims', () => {
  expect(commandTime(now, { clock: now + 24 * hourMs, lastIssuedAt: undefined })).toBe(now);
  expect(commandTime(now, { clock: now, lastIssuedAt: now + 24 * hourMs })).toBe(now);
});

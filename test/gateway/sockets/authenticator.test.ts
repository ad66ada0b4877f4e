import { expect, test } from 'vitest';
import type { Logger } from '../../../core/process/logging.ts';
import { authenticatorOf } from '../../../gateway/identity/authenticator.ts';
import { startAuthServer } from '../../support/auth-server.ts';

const none = { authUrl: '', jwksUrl: '', jwtSecret: '', jwtIssuer: '', jwtAudience: '' };

test('an auth service that is away is told to the log once a second, with its cause and without tokens', async () => {
  const auth = await startAuthServer({ fine: { status: 200, body: '{"uid":1}' } });
  const warnings: unknown[] = [];
  let time = 0;
  const authenticate = authenticatorOf(
    { ...none, authUrl: auth.url },
    { logger: { warn: (...said: unknown[]) => warnings.push(said) } as Partial<Logger> as Logger, clock: { monotonic: () => time } },
  );
  expect(await authenticate('fine')).toEqual({ kind: 'user', uid: '1' });
  expect(await authenticate('unknown')).toMatchObject({ kind: 'refused' });
  expect(warnings).toEqual([]);
  await auth.stop();
  for (let number = 0; number < 50; number++) expect(await authenticate('hunter2')).toMatchObject({ kind: 'late' });
  time = 1_000;
  await authenticate('hunter2');
  const message = 'tokens could not be checked: their clients are told to try again';
  const reason = expect.stringMatching(/^the auth service could not be asked: [A-Z_]+$/);
  expect(warnings).toEqual([
    [{ reason, times: 1 }, message],
    [{ reason, times: 50 }, message],
  ]);
});

import { expect, test } from 'vitest';
import { systemClock } from '../../../core/process/system-clock.ts';
import { createLogger } from '../../../core/process/logging.ts';
import { authenticatorOf } from '../../../gateway/identity/authenticator.ts';
import { startAuthServer } from '../../support/auth-server.ts';
import { recordedLog } from '../../support/recorded-log.ts';
import { keySet, signingKey, startKeyServer, tokenBy } from '../../support/key-server.ts';

const none = { authUrl: '', jwksUrl: '', jwtSecret: '', jwtIssuer: '', jwtAudience: '' };

test('an auth service that is away, and tokens that are refused, are told to the log at a bounded rate, with the cause and without tokens', async () => {
  const auth = await startAuthServer({ fine: { status: 200, body: '{"uid":1}' } });
  const { logger, lines: warnings } = recordedLog();
  let time = 0;
  const authenticate = authenticatorOf(
    { ...none, authUrl: auth.url },
    {
      logger,
      clock: { monotonic: () => time, wall: () => time },
    },
  );
  expect(await authenticate('fine')).toEqual({ kind: 'user', uid: '1' });
  for (let number = 0; number < 50; number++) expect(await authenticate('unknown')).toMatchObject({ kind: 'refused' });
  const told = warnings.splice(0);
  expect(told).toMatchObject([{ event: 'tokens-refused', level: 'warn', reason: expect.any(String) as unknown, times: 1 }]);
  expect(JSON.stringify(told)).not.toContain('unknown');
  await auth.stop();
  for (let number = 0; number < 50; number++) expect(await authenticate('hunter2')).toMatchObject({ kind: 'late' });
  time = 1_000;
  await authenticate('hunter2');
  const event = 'tokens-unchecked';
  const reason = expect.stringMatching(/^the auth service could not be asked: [A-Z_]+$/);
  expect(warnings).toMatchObject([
    { event, reason, times: 1 },
    { event, reason, times: 50 },
  ]);
});

test('a user and a password in the address of the auth service or of the keys are sent as a header, which fetch would refuse in a URL', async () => {
  const login = 'barrage:p%40ss%3Aword@';
  const expected = `Basic ${Buffer.from('barrage:p@ss:word').toString('base64')}`;
  const surroundings = { logger: createLogger({ part: 'test', level: 'silent' }), clock: systemClock };

  const auth = await startAuthServer({ fine: { status: 200, body: '{"uid":1}' } });
  const asking = authenticatorOf({ ...none, authUrl: auth.url.replace('://', `://${login}`) }, surroundings);
  expect(await asking('fine')).toEqual({ kind: 'user', uid: '1' });
  expect(auth.logins).toEqual([expected]);

  const key = await signingKey('k', 'ES256');
  const keys = await startKeyServer({ status: 200, body: await keySet([key]) });
  const verifying = authenticatorOf({ ...none, jwksUrl: keys.url.replace('://', `://${login}`) }, surroundings);
  expect(await verifying(await tokenBy(key, { sub: 'me' }))).toEqual({ kind: 'user', uid: 'me' });
  expect(keys.logins).toEqual([expected]);
  expect(await authenticatorOf({ ...none, jwksUrl: keys.url }, surroundings)(await tokenBy(key, { sub: 'me' }))).toMatchObject({
    kind: 'user',
  });
  expect(keys.logins).toEqual([expected, undefined]);
});
